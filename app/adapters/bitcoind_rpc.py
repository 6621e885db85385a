"""JSON-RPC of bitcoind."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

import msgspec

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
    from collections.abc import Collection, Sequence

    from app.adapters.bitcoind_credentials import Credentials
    from app.adapters.bitcoind_transport import BitcoindTransport

Form = TypeVar("Form")

# Numbers of bitcoind (rpc/protocol.h).
RPC_MISC_ERROR, RPC_INVALID_ADDRESS_OR_KEY, RPC_INVALID_PARAMETER, RPC_IN_WARMUP = -1, -5, -8, -28

_ABOUT_A_BLOCK = {"getblockhash", "getblockheader", "getblock"}
# Of what a node says, in a sentence of ours.
_SHOWN_CHARACTERS = 200


class _Refused(msgspec.Struct):
    code: Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
    message: str


class _Answer(msgspec.Struct):
    """One answer; what the result is, its reader knows."""

    error: _Refused | None
    id: int | None = None
    # Without one there is nothing to decode.
    result: msgspec.Raw = msgspec.Raw(b"")


_ANSWERS = _Answer | list[_Answer]


class RpcMethodError(NodeError):
    """The node understood the call and refused it; `number` is bitcoind's own for the reason."""

    code: ClassVar[str] = "node_refused"

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.number = number


class RpcClient:
    """Calls of one bitcoind."""

    def __init__(self, http: BitcoindTransport, credentials: Credentials) -> None:
        self._http = http
        self._credentials = credentials
        self._authorization: str | None = None

    @property
    def url(self) -> str:
        """Where the node is, for messages."""
        return self._http.shown_url

    def call(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
        """Return the result of one call; errors as those of `call_for`."""
        return self.call_for(object, method, *params)

    def call_for(self, form: type[Form], method: str, *params: object) -> Form:
        """Return the result of one call as a `form`; of that, `msgspec.Raw` is a view of the answer and no copy.

        Raises:
            NodeError: No answer, not authorised, forbidden, not ready, or the method refused (RpcMethodError).
            BlockUnknownError: The node has no such block.
            BlockPrunedError: The node has deleted the block.
        """
        answer = self._asked({"method": method, "params": params, "id": 0}, _Answer, method)
        return self._result(form, method, answer)

    def batch(self, method: str, many: Sequence[Sequence[object]]) -> list[Any]:
        """Return the results of one method for many lists of parameters; errors as those of `batch_for`."""
        return self.batch_for(object, method, many)

    def batch_for(
        self, form: type[Form], method: str, many: Sequence[Sequence[object]], none_for: Collection[int] = ()
    ) -> list[Form | None]:
        """Return the results of one method for many lists of parameters, in one request.

        Args:
            form: What each result is.
            method: What is called.
            many: Its parameters for each call.
            none_for: Numbers of bitcoind; the result of a call that it refuses with one of these is None.

        Raises:
            OnchainPriceError: As `call_for` does, for the first that failed.
        """
        calls = [{"method": method, "params": params, "id": number} for number, params in enumerate(many)]
        if not calls:
            return []
        answers: _Answer | list[_Answer] = self._asked(calls, _ANSWERS, method)
        if isinstance(answers, _Answer):
            # One answer to all of them is a refusal, or none.
            self._result(object, method, answers)
            raise self._nonsense()
        by_id = {answer.id: answer for answer in answers}
        if any(number not in by_id for number in range(len(calls))):
            raise self._nonsense()
        return [self._result_or_none(form, method, by_id[number], none_for) for number in range(len(calls))]

    def _asked(self, request: object, form: Any, method: str) -> Any:  # noqa: ANN401 - a union has no type
        body = msgspec.json.encode(request)
        if self._authorization is None:
            self._authorization = self._credentials.authorization()
        answer = self._http.post(body, self._headers())
        if answer.status == HTTPStatus.UNAUTHORIZED and self._has_new_credentials():
            answer = self._http.post(body, self._headers())
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise NodeUnauthorisedError(
                f"bitcoind at {self._http.shown_url} does not accept our user and password; {self._credentials.remedy}"
            )
        if answer.status == HTTPStatus.FORBIDDEN:
            raise NodeForbiddenError(
                f"bitcoind at {self._http.shown_url} forbids {method}; add it to rpcwhitelist of this user, "
                "or this host to rpcallowip, in its bitcoin.conf"
            )
        try:
            return json_of(answer.body, form)
        except NoJsonError:
            raise self._nonsense() from None

    def _has_new_credentials(self) -> bool:
        """Look again: a bitcoind that was restarted has a new cookie."""
        before, self._authorization = self._authorization, self._credentials.authorization()
        return before != self._authorization

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        return headers | {"Authorization": self._authorization} if self._authorization else headers

    def _result(self, form: type[Form], method: str, answer: _Answer) -> Form:
        if answer.error is not None:
            raise self._refusal(method, answer.error.code, answer.error.message[:_SHOWN_CHARACTERS])
        try:
            return json_of(answer.result, form)
        except NoJsonError:
            raise self._nonsense() from None

    def _result_or_none(self, form: type[Form], method: str, answer: _Answer, none_for: Collection[int]) -> Form | None:
        if answer.error is not None and answer.error.code in none_for:
            return None
        return self._result(form, method, answer)

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
