"""What the acceptance test says of a node's whitelist, whatever the node answers."""

from __future__ import annotations

from typing import Any, cast

import pytest

from app.services.acceptance import Status, examine
from app.services.acceptance_checks import AcceptanceChecks
from app.services.block_source import NodeForbiddenError, NodeNotReadyError, NodeUnauthorisedError, NodeUnreachableError


class Node:
    """Answers one call after the other, or raises."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = iter(answers)

    def call(self, _method: str) -> object:
        answer = next(self._answers)
        if answer is not None:
            raise answer
        return {}


def whitelist(*answers: Exception | None, has_rpc_user: bool = True) -> tuple[Status, str]:
    nothing = cast("Any", None)
    checks = AcceptanceChecks(
        storage=nothing,
        accounts=nothing,
        revoked=nothing,
        prices=nothing,
        api=nothing,
        stream=nothing,
        node=Node(*answers),
        has_rpc_user=has_rpc_user,
        signing=nothing,
    )
    (finding,) = examine({"rpc_whitelist": checks.rpc_whitelist})
    return finding.status, finding.message


def test_a_needless_call_that_is_refused_is_well() -> None:
    assert whitelist(None, NodeForbiddenError("forbidden"))[0] == "ok"


def test_a_needless_call_that_is_allowed_fails_for_a_user_and_warns_for_the_cookie() -> None:
    assert whitelist(None, None)[0] == "failed"
    assert whitelist(None, None, has_rpc_user=False)[0] == "warning"


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NodeUnreachableError("bitcoind does not answer"), "warning"),
        (NodeNotReadyError("bitcoind is starting"), "warning"),
        (NodeUnauthorisedError("bitcoind refuses the password"), "failed"),
    ],
)
def test_a_node_that_goes_away_between_two_calls_is_told_in_its_own_words(
    call: int, error: Exception, status: Status
) -> None:
    assert whitelist(*[None] * (call - 1), error) == (status, str(error))


def test_a_needed_call_that_is_forbidden_fails() -> None:
    assert whitelist(NodeForbiddenError("add it to rpcwhitelist")) == ("failed", "add it to rpcwhitelist")
