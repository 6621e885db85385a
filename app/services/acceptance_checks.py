"""What the acceptance test looks at, by ports to the running services."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from app.services.acceptance import CheckFailedError, CheckWarning
from app.services.block_source import NodeForbiddenError, NodeNotReadyError, NodeUnreachableError, OnchainPriceError
from app.services.detector_report import SEE_LOG
from app.services.price_view import STALE_AFTER
from app.services.storage_checks import check_database, check_schema
from app.services.tokens import mint_access_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.services.accounts import Account, Accounts, RevokedTokens
    from app.services.detector_report import DetectorView
    from app.services.price_history import PriceHistory
    from app.services.storage import Storage

PROTECTED_PATH = "/api/prices/latest"
_OK, _UNAUTHORIZED, _NOT_FOUND = 200, 401, 404
_CLOSED_UNAUTHENTICATED = 4401
_NEEDED_CALL, _NEEDLESS_CALL = "getblockchaininfo", "uptime"
_TOKEN_LIFETIME = timedelta(minutes=1)


class UnansweredError(Exception):
    """A service does not answer, or not as it should; the message says how."""


class Api(Protocol):
    """Our own REST API, over HTTP."""

    def get(self, path: str, token: str | None = None) -> tuple[int, Any]:
        """Return the status, and the JSON of the body; raise UnansweredError without such an answer."""


class Stream(Protocol):
    """Our own alert stream, over a WebSocket."""

    def first_answer(self, message: Mapping[str, object]) -> Mapping[str, Any]:
        """Connect, send `message` and return the answer, or `{"type": "close", "code": …, "reason": …}`.

        `error` messages before a close are skipped.

        Raises:
            UnansweredError: There is no answer in time.
        """


class NodeRpc(Protocol):
    """The node's JSON-RPC, with our credentials."""

    def call(self, method: str) -> object:
        """Return the result of one call; raise NodeForbiddenError, or another OnchainPriceError."""


@dataclass(frozen=True, slots=True)
class Signing:
    """How access tokens are signed."""

    secret: str
    algorithm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceChecks:
    """The checks by name; see `all`.

    Attributes:
        has_rpc_user: Whether the node knows us by a user of its own, and not by its cookie.
    """

    storage: Storage
    accounts: Accounts
    revoked: RevokedTokens
    prices: PriceHistory
    api: Api
    stream: Stream
    node: NodeRpc
    detector: DetectorView
    has_rpc_user: bool
    signing: Signing

    def all(self) -> Mapping[str, Callable[[], str]]:
        """Return every check, in the order of the report."""
        return {
            "database": self.database,
            "schema": self.schema,
            "health": self.health,
            "authentication_refused": self.authentication_refused,
            "authentication_granted": self.authentication_granted,
            "websocket": self.websocket,
            "mempool_stream": self.mempool_stream,
            "price_row": self.price_row,
            "rpc_whitelist": self.rpc_whitelist,
        }

    def database(self) -> str:
        """The database can be read."""
        return check_database(self.storage)

    def schema(self) -> str:
        """The schema is one that this release can run on."""
        return check_schema(self.storage)

    def health(self) -> str:
        """The health endpoint does not say unhealthy."""
        status, answer = _asked(lambda: self.api.get("/health"))
        verdict = answer.get("status") if isinstance(answer, dict) else None
        if verdict == "healthy":
            return "healthy"
        if verdict not in {"degraded", "unhealthy"}:
            raise CheckFailedError(f"/health answered {status} without a status; is something else on API_PORT?")
        checks = answer.get("checks", {})
        bad = [f"{name} ({check.get('status')})" for name, check in checks.items() if _is_bad(check)]
        sentence = f"{verdict}: {', '.join(bad) or 'no check is named'}"
        if verdict == "unhealthy":
            raise CheckFailedError(f"{sentence}; docs/TROUBLESHOOTING.md says what to do")
        raise CheckWarning(sentence)

    def authentication_refused(self) -> str:
        """Without a token, or with one that somebody else signed, the API answers 401."""
        forged, _ = mint_access_token(self._admin(), secrets.token_hex(32), self.signing.algorithm, _TOKEN_LIFETIME)
        self._expect_refusal(None, "without a token")
        self._expect_refusal(forged, "with a forged token")
        return "no token and a forged one are both refused"

    def authentication_granted(self) -> str:
        """With a token of a real admin the API answers."""
        with self._token() as token:
            status, _ = _asked(lambda: self.api.get(PROTECTED_PATH, token))
        if status == _UNAUTHORIZED:
            raise CheckFailedError(
                "the API refuses a token signed with JWT_SECRET_KEY; restart utxoracle-api, so that it reads that key"
            )
        if status not in {_OK, _NOT_FOUND}:
            raise CheckFailedError(f"{PROTECTED_PATH} answered {status} to an admin; see the log of utxoracle-api")
        return f"an admin is answered {status}"

    def websocket(self) -> str:
        """The alert stream greets a token of a real admin, and closes on a forged one with 4401."""
        forged, _ = mint_access_token(self._admin(), secrets.token_hex(32), self.signing.algorithm, _TOKEN_LIFETIME)
        refusal = _asked(lambda: self.stream.first_answer({"type": "auth", "token": forged}))
        if refusal.get("code") != _CLOSED_UNAUTHENTICATED:
            raise CheckFailedError(
                f"a forged token was answered with {refusal.get('type')}; it must be closed with 4401"
            )
        with self._token() as token:
            answer = _asked(lambda: self.stream.first_answer({"type": "auth", "token": token}))
        if answer.get("type") != "welcome":
            raise CheckFailedError(
                f"instead of a welcome came {answer.get('type')} {answer.get('code')} ({answer.get('reason')}); "
                "see the log of utxoracle-websocket"
            )
        return f"welcomed at event {answer.get('last_event_id')}"

    def mempool_stream(self) -> str:
        """The detector is at work, and on the stream of a node that answers."""
        report = self.detector.report()
        if report is None:
            raise CheckFailedError(f"the detector has not been at work yet; {SEE_LOG}")
        if report.is_silent:
            raise CheckFailedError(report.silence())
        if "node" in report.problems:
            self._blame_the_node()
            raise CheckFailedError(report.trouble())
        if report.lacks_stream:
            self._blame_the_node()
            raise CheckFailedError(
                f"{report.trouble()}; see that bitcoin.conf has zmqpubrawtx and "
                "zmqpubsequence and that bitcoind has read it since, or set ZMQ_RAWTX_URL and ZMQ_SEQUENCE_URL to off"
            )
        if report.problems:
            raise CheckWarning(report.trouble())
        return report.progress()

    def price_row(self) -> str:
        """There is a price row, valid and recent."""
        newest = self.prices.newest()
        if newest is None:
            raise CheckFailedError(
                "there is no price row; the timer brings one every 10 minutes, `systemctl start utxoracle-integration` "
                "at once, and its log says why not"
            )
        age = datetime.now(UTC) - newest.timestamp
        old = f"the newest row is {int(age.total_seconds() // 60)} minutes old"
        if age > STALE_AFTER:
            raise CheckWarning(f"{old}; see the log of utxoracle-integration")
        if not newest.is_valid:
            raise CheckWarning(f"{old} and not valid: {newest.invalid_reason}")
        return old

    def rpc_whitelist(self) -> str:
        """The node refuses our RPC user what it does not need."""
        try:
            self.node.call(_NEEDED_CALL)
            is_refused = self._refuses(_NEEDLESS_CALL)
        except (NodeUnreachableError, NodeNotReadyError) as error:
            raise CheckWarning(str(error)) from error
        except OnchainPriceError as error:
            raise CheckFailedError(str(error)) from error
        if is_refused:
            return f"`{_NEEDLESS_CALL}`, which we never use, is refused"
        if not self.has_rpc_user:
            raise CheckWarning("the node's cookie allows every call; an RPC user with an rpcwhitelist would not")
        raise CheckFailedError(
            f"the node allows BITCOIN_RPC_USER `{_NEEDLESS_CALL}`, which we never use; give that user an rpcwhitelist "
            "in bitcoin.conf, as the role `node` does"
        )

    def _blame_the_node(self) -> None:
        """Leave with a warning when it is the node that does not answer."""
        try:
            self.node.call(_NEEDED_CALL)
        except OnchainPriceError as error:
            raise CheckWarning(str(error)) from error

    def _refuses(self, method: str) -> bool:
        try:
            self.node.call(method)
        except NodeForbiddenError:
            return True
        return False

    def _expect_refusal(self, token: str | None, how: str) -> None:
        status, _ = _asked(lambda: self.api.get(PROTECTED_PATH, token))
        if status != _UNAUTHORIZED:
            raise CheckFailedError(f"{PROTECTED_PATH} answered {status} {how}; it must answer 401")

    @contextmanager
    def _token(self) -> Iterator[str]:
        token, grant = mint_access_token(self._admin(), self.signing.secret, self.signing.algorithm, _TOKEN_LIFETIME)
        try:
            yield token
        finally:
            for token_id in grant.token_ids:
                self.revoked.revoke(token_id, grant.expires_at)

    def _admin(self) -> Account:
        for account in self.accounts.every():
            if account.role == "admin" and account.is_active:
                return account
        raise CheckFailedError("there is no active admin; make one with `utxoracle users create NAME --role admin`")


def _asked(question: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the port answers
    try:
        return question()
    except UnansweredError as error:
        raise CheckFailedError(str(error)) from error


def _is_bad(check: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(check, dict) and check.get("status") not in {"ok", "skipped"}
