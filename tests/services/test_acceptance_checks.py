"""What the acceptance test says of a node's whitelist and of the detector, whatever they answer."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, cast

import pytest

from app.services.acceptance import Status, examine
from app.services.acceptance_checks import AcceptanceChecks
from app.services.block_source import NodeForbiddenError, NodeNotReadyError, NodeUnauthorisedError, NodeUnreachableError
from app.services.detector_report import DetectorReport


class Node:
    """Answers one call after the other, or raises."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = iter(answers)

    def call(self, _method: str) -> object:
        answer = next(self._answers)
        if answer is not None:
            raise answer
        return {}


@dataclass
class Detector:
    """Its last word; None when it has never been at work."""

    last: DetectorReport | None = None

    def report(self) -> DetectorReport | None:
        return self.last


def found(check: str, **parts: object) -> tuple[Status, str]:
    """Return what one check finds; `parts` are what it looks at."""
    names = [each.name for each in fields(AcceptanceChecks)]
    checks = AcceptanceChecks(**dict.fromkeys(names, cast("Any", None)) | parts)
    (finding,) = examine({check: checks.all()[check]})
    return finding.status, finding.message


def whitelist(*answers: Exception | None, has_rpc_user: bool = True) -> tuple[Status, str]:
    return found("rpc_whitelist", node=Node(*answers), has_rpc_user=has_rpc_user)


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


NO_STREAM = {"stream": "there is no connection to the node's ZMQ stream; polling"}


def stream(last: DetectorReport | None, *answers: Exception | None) -> tuple[Status, str]:
    return found("mempool_stream", detector=Detector(last), node=Node(*answers))


def report(source: str = "stream", age_seconds: float = 1, problems: dict[str, str] | None = None) -> DetectorReport:
    names = ("followed", "waiting", "unread", "blocks_to_read", "let_go", "lost_blocks", "lost_messages")
    return DetectorReport(age_seconds, problems or {}, {"source": source, **dict.fromkeys(names, 0)})


def test_a_detector_on_the_stream_is_well() -> None:
    assert stream(report()) == ("ok", "stream, 0 whales followed, 0 transactions waiting")


def test_a_detector_that_was_never_at_work_or_is_silent_fails() -> None:
    assert stream(None)[0] == "failed"
    status, message = stream(report(age_seconds=31))
    assert (status, "said nothing for 31 s" in message) == ("failed", True)


def test_a_detector_that_polls_a_node_that_answers_fails_and_is_told_what_bitcoind_must_publish() -> None:
    status, message = stream(report("polling", problems=NO_STREAM), None)
    assert status == "failed"
    assert message.startswith(NO_STREAM["stream"])
    assert "zmqpubrawtx and zmqpubsequence" in message


def test_a_detector_that_polls_because_it_was_told_to_is_well() -> None:
    assert stream(replace(report("polling"), is_stream_wanted=False))[0] == "ok"


def test_a_detector_that_does_not_hear_the_stream_yet_fails_until_it_does() -> None:
    status, message = stream(report("polling"), None)
    assert (status, message.partition(";")[0]) == ("failed", "the node's ZMQ stream is not heard yet")


@pytest.mark.parametrize("error", [NodeUnreachableError("bitcoind does not answer"), NodeNotReadyError("starting")])
@pytest.mark.parametrize(
    "last", [report("polling", problems=NO_STREAM), DetectorReport(1, {"node": "bitcoind does not answer"}, {})]
)
def test_a_node_that_is_away_is_no_fault_of_the_detector(last: DetectorReport, error: Exception) -> None:
    assert stream(last, error) == ("warning", str(error))


def test_a_detector_whose_calls_are_forbidden_fails_in_its_own_words() -> None:
    forbidden = "bitcoind forbids getmempoolentry; add it to rpcwhitelist"
    assert stream(report("polling", problems={"node": forbidden}), None) == ("failed", forbidden)


def test_a_detector_that_is_short_of_something_is_a_warning() -> None:
    assert stream(report(problems={"memory": "memory is short"})) == ("warning", "memory is short")
