"""`/api/v1/prices`: our price as a mempool backend would tell it, so that wallets can take the node for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta

from app.web.operation import JSON, Operation, operation
from app.web.problems import ProblemError

if TYPE_CHECKING:
    from app.services.wallet_prices import WalletPrice, WalletPrices

# In the body nothing but numbers may stand: some wallets read it as a table of them.
DERIVED_HEADER = "X-Utxoracle-Derived"
_RETRY_SECONDS = 60


class MempoolPrices(msgspec.Struct):
    """Whole units per BTC; beside USD other currencies by code, those of the header X-Utxoracle-Derived."""

    time: Annotated[int, Meta(description="Of the price, in seconds since 1970.")]
    usd: Annotated[int, Meta(description="The on-chain estimate.")] = msgspec.field(name="USD")


def wallet_prices_blueprint(prices: WalletPrices, *, public: bool) -> Blueprint:
    """Serve `prices` under `/api/v1`; `public` to those without a token as well."""
    routes = Blueprint("wallet_prices", __name__, url_prefix="/api/v1")

    @routes.get("/prices")
    @operation(
        Operation(
            summary="The newest valid price, in the shape of mempool's",
            needs="nothing" if public else "access",
            answers={200: MempoolPrices, 304: None},
            problems=(404,),
        )
    )
    def newest() -> Response:
        price = prices.newest()
        if price is None:
            raise ProblemError(404, "NO_DATA", "There is no valid price yet; a run every 10 minutes may bring one.")
        if price.is_stale:
            raise ProblemError(
                503,
                "STALE",
                f"The newest valid price is of {price.timestamp.isoformat()}; it is not what bitcoin costs now.",
                {"Retry-After": str(_RETRY_SECONDS)},
            )
        return _answer(price)

    return routes


def _answer(price: WalletPrice) -> Response:
    # Whole units, as mempool has them: some wallets take nothing else.
    derived = {code: whole for code, amount in price.derived.items() if (whole := round(amount)) > 0}
    body = {"time": int(price.timestamp.timestamp()), "USD": round(price.usd), **derived}
    answer = Response(msgspec.json.encode(body), content_type=JSON)
    if derived:
        answer.headers[DERIVED_HEADER] = ", ".join(derived)
    answer.cache_control.private = answer.cache_control.no_cache = True
    answer.add_etag()
    answer.make_conditional(request)
    return answer
