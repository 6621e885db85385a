"""What the role node does to an operator's bitcoin.conf, and above all what it does not."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.program import program

if TYPE_CHECKING:
    from pathlib import Path

conf = program("node/files/bitcoin_conf.py")

OPTIONS = {
    "rest": "1",
    "zmqpubrawtx": "tcp://127.0.0.1:28333",
    "zmqpubrawtxhwm": "100000",
    "zmqpubsequence": "tcp://127.0.0.1:28335",
    "zmqpubsequencehwm": "100000",
}
WANTED = conf.Wanted("regtest", OPTIONS, "utxoracle", "a password", ("getblock", "getblockcount"))

NAMES = [*OPTIONS, "rpcauth", "rpcwhitelist", "rpcwhitelistdefault", "server", "norest", "regtest.rest", "main.rest"]
VALUES = ["", "0", "1", "100000", "tcp://127.0.0.1:1", "other:00$11", "lnd:getblock"]
SOME_LINES = st.one_of(
    st.builds("{}={}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.builds(" {} = {} # why".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.sampled_from(["", "# a comment", "[regtest]", "[main]", "#[test]", "  [regtest]  "]),
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12),
)
TEXTS = st.builds(
    lambda lines, end_of_line, last: end_of_line.join(lines) + (end_of_line if last else ""),
    st.lists(SOME_LINES, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


@given(TEXTS)
def test_taking_out_what_was_added_gives_the_file_back_to_the_last_byte(text: str) -> None:
    theirs, block = conf.split(conf.plan(text, WANTED).text)
    assert theirs == text
    assert block.startswith(conf.BEGIN)


@given(TEXTS)
def test_a_second_run_changes_nothing(text: str) -> None:
    once = conf.plan(text, WANTED).text
    again = conf.plan(once, WANTED)
    assert again.text == once
    assert again.added == []


@given(TEXTS)
def test_what_is_wanted_applies_afterwards(text: str) -> None:
    planned = conf.plan(text, WANTED)
    options = conf.options_of(planned.text, "regtest")
    assert set(OPTIONS) <= set(options)
    assert any(conf.is_password_of("a password", entry) for entry in options["rpcauth"])
    assert any(entry.startswith("utxoracle:") for entry in options["rpcwhitelist"])


@given(TEXTS)
def test_nothing_of_the_operators_is_repeated(text: str) -> None:
    before = conf.options_of(text, "regtest")
    after = conf.options_of(conf.plan(text, WANTED).text, "regtest")
    for name in OPTIONS:
        if name in before:
            assert after[name] == before[name]


@given(TEXTS)
def test_the_block_is_above_every_section(text: str) -> None:
    planned = conf.plan(text, WANTED).text
    before, _, _ = planned.partition(conf.BEGIN)
    assert not any(line.strip().startswith("[") and line.strip().endswith("]") for line in before.split("\n"))


def test_the_block_goes_above_a_section_with_all_that_is_needed() -> None:
    planned = conf.plan("server=1\n[regtest]\nrpcport=18443\n", WANTED)
    lines = planned.text.splitlines()
    assert lines[0] == "server=1"
    assert lines[1] == conf.BEGIN
    assert lines[2:7] == [f"{name}={value}" for name, value in OPTIONS.items()]
    assert lines[7].startswith("rpcauth=utxoracle:")
    assert lines[8] == "rpcwhitelist=utxoracle:getblock,getblockcount"
    assert lines[9:11] == ["rpcwhitelistdefault=0", conf.END]
    assert lines[11:] == ["[regtest]", "rpcport=18443"]


def test_what_the_operators_section_says_already_is_respected() -> None:
    planned = conf.plan("[regtest]\nrest=1\nzmqpubrawtx=tcp://127.0.0.1:5000\n", WANTED)
    assert "rest=1" not in planned.added
    assert not any(line.startswith("zmqpubrawtx=") for line in planned.added)
    assert "zmqpubrawtxhwm=100000" in planned.added


def test_another_networks_section_does_not_count() -> None:
    assert "rest=1" in conf.plan("[main]\nrest=1\n", WANTED).added


@pytest.mark.parametrize("line", ["rest=0", "norest=1"])
def test_a_refusal_of_the_operators_stands_and_is_told(line: str) -> None:
    planned = conf.plan(line + "\n", WANTED)
    assert "rest=1" not in planned.added
    assert any("rest=0" in note for note in planned.notes)


@pytest.mark.parametrize("line", ["rest=", "rest=1", "rest=2", "norest=0"])
def test_what_bitcoind_takes_for_true_is_not_told_as_wrong(line: str) -> None:
    assert conf.plan(line + "\n", WANTED).notes == []


def test_a_publisher_that_the_operator_refuses_is_not_expected() -> None:
    planned = conf.plan("nozmqpubrawtx=1\n", WANTED)
    assert any("zmqpubrawtx=0, which publishes nothing" in note for note in planned.notes)
    assert list(conf.publishers_of(conf.options_of(planned.text, "regtest"))) == ["pubsequence"]


def test_our_block_is_recognised_without_the_end_of_the_last_line() -> None:
    once = conf.plan("server=1\n", WANTED).text
    again = conf.plan(once.rstrip("\n"), WANTED)
    assert again.text == once.rstrip("\n")
    assert again.added == []


ASKED = {"url": "http://127.0.0.1:9", "conf": "/bitcoin.conf", "unit": "bitcoind.service", "user": "utxoracle"}
PUBLISHERS = {"pubrawtx": ["tcp://127.0.0.1:28333"]}


def test_what_a_restart_did_not_bring_is_told_with_its_cause() -> None:
    assert conf.lacking((200, {"pubrawtx"}), ASKED, PUBLISHERS) == ""
    assert conf.lacking((500, set()), ASKED, PUBLISHERS) == ""
    assert "does not know the user utxoracle with its calls: it does not use /bitcoin.conf" in conf.lacking(
        (401, set()), ASKED, PUBLISHERS
    )
    assert "the port of tcp://127.0.0.1:28333 is taken" in conf.lacking((200, set()), ASKED, PUBLISHERS)
    assert conf.lacking((401, set()), {**ASKED, "user": ""}, PUBLISHERS) == ""


@pytest.mark.parametrize(
    ("started", "status", "in_force"),
    [(None, 200, True), (None, 401, False), (-10, 200, False), (-10, 401, False), (10, 200, True), (10, 500, True)],
)
def test_a_bitcoind_older_than_our_last_change_has_not_read_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: int | None,
    status: int,
    in_force: bool,  # noqa: FBT001 - a column
) -> None:
    file = tmp_path / "bitcoin.conf"
    file.touch()
    changed = file.stat().st_mtime
    monkeypatch.setattr(conf, "notifications", lambda *_: (status, set()))
    monkeypatch.setattr(conf, "started_at", lambda _: None if started is None else changed + started)
    asked = json.loads(_ask(tmp_path, check=False))
    assert conf.is_in_force(asked, file, "") is in_force


def test_a_change_of_the_operators_own_after_ours_asks_for_no_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bitcoin.conf"
    file.touch()
    backup = tmp_path / "bitcoin.conf.20260101T000000Z.backup"
    backup.touch()
    os.utime(backup, (1, 1))
    monkeypatch.setattr(conf, "notifications", lambda *_: (200, set()))
    monkeypatch.setattr(conf, "started_at", lambda _: 2.0)
    assert conf.is_in_force(json.loads(_ask(tmp_path, check=False)), file, "")


def test_a_restart_that_was_no_help_is_told_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bitcoin.conf"
    file.touch()
    monkeypatch.setattr(conf, "notifications", lambda *_: (401, set()))
    monkeypatch.setattr(conf, "started_at", lambda _: file.stat().st_mtime + 10)
    with pytest.raises(SystemExit):
        conf.is_in_force(json.loads(_ask(tmp_path, check=False)), file, "")
    assert "was restarted and does not know the user utxoracle" in capsys.readouterr().err


def test_when_a_unit_was_started_is_not_known_everywhere() -> None:
    assert conf.started_at("nonexistent.service") is None


def _answers(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, set[str]]) -> None:
    """Let bitcoind give these answers, the last for ever, with a clock that only waiting moves."""
    left, clock = list(answers), [0.0]
    monkeypatch.setattr(conf, "notifications", lambda *_: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(conf.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(conf.time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))


def test_a_bitcoind_that_loads_its_blocks_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bitcoin.conf").write_text("zmqpubrawtx=tcp://127.0.0.1:1\n", encoding="utf-8")
    loading: list[tuple[int, set[str]]] = [(0, set()), (401, set()), *[(500, set())] * 500]
    _answers(monkeypatch, *loading, (200, {"pubrawtx"}))
    conf.wait(_ask(tmp_path, check=False))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((0, set()), "does not answer, 10 minutes after its restart"),
        ((500, set()), "says 500, as while it loads its blocks, 10 minutes after its restart"),
        ((401, set()), "was restarted and does not know the user utxoracle"),
        ((403, set()), "was restarted and does not know the user utxoracle"),
        ((200, set()), "was restarted and publishes no pubrawtx over ZMQ: the port of tcp://127.0.0.1:1 is taken"),
    ],
)
def test_a_restart_without_effect_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, set[str]],
    sentence: str,
) -> None:
    (tmp_path / "bitcoin.conf").write_text("zmqpubrawtx=tcp://127.0.0.1:1\n", encoding="utf-8")
    _answers(monkeypatch, answer)
    with pytest.raises(SystemExit):
        conf.wait(_ask(tmp_path, check=False))
    assert sentence in capsys.readouterr().err


def test_a_low_high_water_mark_is_left_and_told() -> None:
    planned = conf.plan("zmqpubrawtxhwm=1000\n", WANTED)
    assert any("zmqpubrawtxhwm=1000" in note for note in planned.notes)
    assert not any(line.startswith("zmqpubrawtxhwm") for line in planned.added)


def test_an_operators_whitelist_is_not_opened_to_everybody_else() -> None:
    # Without a default, a whitelist for anybody refuses all that have none; 0 would let them in.
    assert "rpcwhitelistdefault=0" not in conf.plan("rpcwhitelist=lnd:getblock\n", WANTED).added


def test_a_whitelist_that_comes_later_does_not_shut_everybody_else_out() -> None:
    first = conf.plan("server=1\n", WANTED).text
    second = conf.plan(first.replace("server=1\n", "server=1\nrpcwhitelist=lnd:getblock\n"), WANTED).text
    assert "rpcwhitelistdefault=0" in second


def test_a_new_call_is_added_to_the_whitelist_and_the_password_stays() -> None:
    first = conf.plan("", WANTED).text
    more = conf.Wanted("regtest", OPTIONS, "utxoracle", "a password", ("getblock", "getblockcount", "getblockhash"))
    second = conf.plan(first, more)
    assert second.added == ["rpcwhitelist=utxoracle:getblock,getblockcount,getblockhash"]
    assert conf.options_of(second.text, "")["rpcauth"] == conf.options_of(first, "")["rpcauth"]


def test_a_lost_password_is_replaced() -> None:
    first = conf.plan("", WANTED).text
    second = conf.plan(first, conf.Wanted("regtest", OPTIONS, "utxoracle", "", WANTED.calls))
    entries = conf.options_of(second.text, "")["rpcauth"]
    assert len(entries) == 1
    assert conf.is_password_of(second.password, entries[0])


def test_an_operators_own_user_of_our_name_is_kept_or_asked_about() -> None:
    theirs = "rpcauth=" + conf.rpcauth("utxoracle", "a password", "5a17") + "\n"
    assert not any(line.startswith("rpcauth") for line in conf.plan(theirs, WANTED).added)
    unknown = "rpcauth=" + conf.rpcauth("utxoracle", "another", "5a17") + "\n"
    with pytest.raises(conf.PasswordUnknownError, match="node_rpc_user to a new name"):
        conf.plan(unknown, WANTED)


def test_no_password_is_told() -> None:
    planned = conf.plan("", WANTED)
    assert "rpcauth=utxoracle:…" in planned.added
    assert not any("$" in line for line in planned.added)


def _ask(directory: Path, *, check: bool) -> str:
    return json.dumps(
        {
            "conf": str(directory / "bitcoin.conf"),
            "secrets_dir": str(directory / "etc/secrets"),
            "unit": "nonexistent.service",
            "network": "regtest",
            "url": "http://127.0.0.1:9",
            "user": "utxoracle",
            "calls": ["getblock"],
            "options": OPTIONS,
            "check": check,
        }
    )


def test_a_change_leaves_a_backup_beside_it_and_keeps_the_mode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bitcoin.conf"
    file.write_bytes(b"server=1\nuacomment=\xff\n")
    file.chmod(0o640)
    conf.main(_ask(tmp_path, check=False))
    answer = json.loads(capsys.readouterr().out)
    assert answer["changed"]
    assert answer["restart_needed"]
    (backup,) = tmp_path.glob("bitcoin.conf.*")
    assert str(backup) == answer["backup"]
    assert backup.read_bytes() == b"server=1\nuacomment=\xff\n"
    assert stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(backup.stat().st_mode) == 0o640
    secret = tmp_path / "etc/secrets/bitcoin_rpc_password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    after = file.read_bytes()

    conf.main(_ask(tmp_path, check=False))
    answer = json.loads(capsys.readouterr().out)
    assert not answer["changed"]
    assert file.read_bytes() == after
    assert len(list(tmp_path.glob("bitcoin.conf.*"))) == 1


def test_check_mode_says_what_would_change_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bitcoin.conf"
    file.write_text("server=1\n", encoding="utf-8")
    conf.main(_ask(tmp_path, check=True))
    assert "rest=1" in json.loads(capsys.readouterr().out)["added"]
    assert [each.name for each in tmp_path.iterdir()] == ["bitcoin.conf"]
    assert file.read_text(encoding="utf-8") == "server=1\n"


def test_a_missing_file_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        conf.main(_ask(tmp_path, check=False))
    assert left.value.code == 2
    assert "set node_bitcoin_conf to" in capsys.readouterr().err
