"""JSON-RPC of bitcoind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
import requests

from app.adapters.strange_json import NoJsonError, json_of
from app.services.block_source import (
    BlockPrunedError,
    BlockUnknownError,
    NodeError,
    NodeForbiddenError,
    NodeNotReadyError,
    NodeUnauthorisedError,
    OnchainPriceError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.adapters.bitcoind_credentials import Credentials
    from app.adapters.bitcoind_http import BitcoindHttp

# Numbers of bitcoind (rpc/protocol.h).
RPC_MISC_ERROR, RPC_INVALID_ADDRESS_OR_KEY, RPC_INVALID_PARAMETER, RPC_IN_WARMUP = -1, -5, -8, -28

_ABOUT_A_BLOCK = {"getblockhash", "getblockheader", "getblock"}
# Of what a node says, in a sentence of ours.
_SHOWN_CHARACTERS = 200


class _Refused(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
    message: str


class RpcMethodError(NodeError):
    """The node understood the call and refused it; `number` is bitcoind's own for the reason."""

    code: ClassVar[str] = "node_refused"

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class RpcClient:
    """Calls of one bitcoind."""

    def __init__(self, http: BitcoindHttp, credentials: Credentials) -> None:
        self._http = http
        self._credentials = credentials
        self._authorization: str | None = None

    def call(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
        """Return the result of one call.

        Raises:
            NodeError: No answer, not authorised, forbidden, not ready, or the method refused (RpcMethodError).
            BlockUnknownError: The node has no such block.
            BlockPrunedError: The node has deleted the block.
        """
        answer = self._decoded({"method": method, "params": params, "id": 0}, method)
        return self._result(method, answer)

    def batch(self, method: str, many: Sequence[Sequence[object]]) -> list[Any]:
        """Return the results of one method for many lists of parameters, in one request.

        Raises:
            OnchainPriceError: As `call` does, for the first that failed.
        """
        calls = [{"method": method, "params": params, "id": number} for number, params in enumerate(many)]
        answers = self._decoded(calls, method)
        if isinstance(answers, dict):
            # One answer to all of them is a refusal, or none.
            self._result(method, answers)
        try:
            by_id = {answer["id"]: answer for answer in answers}
            in_order = [by_id[number] for number in range(len(calls))]
        except (KeyError, TypeError):
            raise self._nonsense() from None
        return [self._result(method, answer) for answer in in_order]

    def _decoded(self, request: object, method: str) -> Any:  # noqa: ANN401 - JSON
        body = msgspec.json.encode(request)
        if self._authorization is None:
            self._authorization = self._credentials.authorization()
        answer = self._http.post(body, self._headers())
        if answer.status == requests.codes.unauthorized and self._has_new_credentials():
            answer = self._http.post(body, self._headers())
        if answer.status == requests.codes.unauthorized:
            raise NodeUnauthorisedError(
                f"bitcoind at {self._http.shown_url} does not accept our user and password; {self._credentials.remedy}"
            )
        if answer.status == requests.codes.forbidden:
            raise NodeForbiddenError(
                f"bitcoind at {self._http.shown_url} forbids {method}; add it to rpcwhitelist of this user, "
                "or this host to rpcallowip, in its bitcoin.conf"
            )
        try:
            return json_of(answer.body, object)
        except NoJsonError:
            raise self._nonsense() from None

    def _has_new_credentials(self) -> bool:
        """Look again: a bitcoind that was restarted has a new cookie."""
        before, self._authorization = self._authorization, self._credentials.authorization()
        return before != self._authorization

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        return headers | {"Authorization": self._authorization} if self._authorization else headers

    def _result(self, method: str, answer: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        try:
            error = answer["error"]
            if error is None:
                return answer["result"]
            refused = msgspec.convert(error, _Refused)
        except (KeyError, TypeError, msgspec.ValidationError):
            raise self._nonsense() from None
        raise self._refusal(method, refused.code, refused.message[:_SHOWN_CHARACTERS])

    def _refusal(self, method: str, number: int, said: str) -> OnchainPriceError:
        where = f"bitcoind at {self._http.shown_url}"
        if number == RPC_IN_WARMUP:
            return NodeNotReadyError(f"{where} is not ready: {said}")
        if method in _ABOUT_A_BLOCK and number in {RPC_INVALID_ADDRESS_OR_KEY, RPC_INVALID_PARAMETER}:
            return BlockUnknownError(f"{where} does not know the block: {said}")
        if method == "getblock" and number == RPC_MISC_ERROR and "pruned" in said:
            return BlockPrunedError(f"{where} has deleted a block of the window: it is pruned, raise prune= there")
        return RpcMethodError(f"{where} refused {method}: {said} ({number})", number)

    def _nonsense(self) -> NodeError:
        return NodeError(
            f"what answers at {self._http.shown_url} is not bitcoind's JSON-RPC; is BITCOIN_RPC_URL right?"
        )
