"""What the role proxy does to nginx' own file, so that as many clients get through as the stream takes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.web.stream_limits import StreamLimits
from tests.deploy.program import ROLES, program

connections = program("proxy/files/connections.py")

LEAST = {"worker_rlimit_nofile": 16384, "worker_connections": 12768}
NAME, OTHER = "utxoracle", "price-2"
DEBIANS = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
\t# multi_accept on;
}

http {
\tinclude /etc/nginx/conf.d/*.conf;
}
"""
RAISED = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
include /etc/nginx/modules-enabled/*.conf;

# utxoracle: worker_rlimit_nofile 16384 instead of nothing
worker_rlimit_nofile 16384;
events {
\t# utxoracle: worker_connections 12768 instead of 768
\tworker_connections 12768;
\t# multi_accept on;
}

http {
\tinclude /etc/nginx/conf.d/*.conf;
}
"""


def _raised(text: str, least: dict[str, int] = LEAST, name: str = NAME) -> str:
    after: str = connections.plan(text, text, least, name)[0]
    return after


def _taken_back(text: str, name: str = NAME) -> str:
    return _raised(text, {}, name)


def _values(text: str) -> dict[str, int | None]:
    return {directive: connections.value_of(text, directive) for directive in LEAST}


def test_all_clients_that_the_stream_takes_get_through_one_worker_beside_what_nginx_had() -> None:
    variables = yaml.safe_load((ROLES / "proxy/vars/main.yml").read_text(encoding="utf-8"))
    least = variables["__proxy_connections_least"]
    assert least == LEAST
    assert least["worker_connections"] >= 2 * StreamLimits().connections + 768
    # Logs and what nginx speaks to itself by are files, too.
    assert least["worker_rlimit_nofile"] >= least["worker_connections"] + 1024


def test_debians_file_says_above_each_change_what_was_there() -> None:
    assert _raised(DEBIANS) == RAISED
    assert _raised(RAISED) == RAISED
    assert _taken_back(RAISED) == DEBIANS


NUMBERS = st.sampled_from([1, 768, 12767, 12768, 16384, 100_000])
GAPS = st.sampled_from([" ", "  ", "\n ", "\r\n\t"])
RLIMITS = st.one_of(
    st.just(""), st.builds("worker_rlimit_nofile{}{};{}".format, GAPS, NUMBERS, st.sampled_from(["\n", " "]))
)
CONNECTIONS = st.one_of(st.just(""), st.builds("worker_connections{}{} ;".format, GAPS, NUMBERS))
NOISE = st.sampled_from(
    ["", "\n", "# worker_connections 9;\n", "# utxoracle: what is this\n", "user \udce4;\n", "\tuse epoll;\n", "\r\n"]
)
TEXTS = st.builds(
    "{}{}{}events {{{}{}{}{}}}\nhttp {{ }}".format,
    *(
        NOISE,
        RLIMITS,
        st.sampled_from(["", "\n"]),
        st.sampled_from(["", "\n", " ", " # all\n"]),
        NOISE,
        CONNECTIONS,
        NOISE,
    ),
).filter(lambda text: re.search(r"^events", text, re.MULTILINE) is not None)


def _on_one_line(text: str) -> str:
    """Return `text` as if its block of events began on one line, of which two are made."""
    return re.sub(r"events \{\s*", "events {", text)


@given(TEXTS)
def test_nothing_is_less_than_wanted_and_what_was_more_stays(text: str) -> None:
    before, after = _values(text), _values(_raised(text))
    assert after == {directive: max(before[directive] or 0, least) for directive, least in LEAST.items()}


@given(TEXTS)
def test_a_second_run_changes_nothing(text: str) -> None:
    assert _raised(_raised(text)) == _raised(text)


@given(TEXTS)
def test_what_was_changed_is_taken_back(text: str) -> None:
    assert _on_one_line(_taken_back(_raised(text))) == _on_one_line(text)


@given(TEXTS)
def test_a_later_version_that_wants_more_remembers_what_was_there_before_the_first(text: str) -> None:
    more = {directive: 2 * least for directive, least in LEAST.items()}
    assert _raised(_raised(text), more) == _raised(text, more)


def test_what_an_operator_has_changed_since_then_is_theirs() -> None:
    own = RAISED.replace("\tworker_connections 12768", "\tworker_connections 50000")
    assert _values(_raised(own))["worker_connections"] == 50_000
    assert _values(_taken_back(own)) == {"worker_connections": 50_000, "worker_rlimit_nofile": None}
    assert "utxoracle" not in _taken_back(own)
    less = RAISED.replace("\tworker_connections 12768", "\tworker_connections 1000")
    assert "12768 instead of 1000\n" in _raised(less)


def test_a_value_on_a_line_of_its_own_is_remembered_above_the_directive() -> None:
    text = DEBIANS.replace("worker_connections 768", "worker_connections\n\t\t768")
    raised = _raised(text)
    assert "\t# utxoracle: worker_connections 12768 instead of 768\n\tworker_connections\n\t\t12768;\n" in raised
    assert _raised(raised) == raised
    assert _taken_back(raised) == text


def test_the_changes_of_another_appliance_are_not_taken_back() -> None:
    assert _taken_back(RAISED, OTHER) == RAISED


def test_one_of_two_appliances_that_goes_leaves_the_room_to_the_other() -> None:
    both = _raised(RAISED, name=OTHER)
    assert both == RAISED.replace("# utxoracle:", "# price-2, utxoracle:")
    assert _taken_back(both, OTHER) == RAISED
    alone = _taken_back(both)
    assert alone == RAISED.replace("# utxoracle:", "# price-2:")
    assert _taken_back(alone, OTHER) == DEBIANS


@given(TEXTS)
def test_the_last_of_two_appliances_to_go_puts_back_what_was_there_before_the_first(text: str) -> None:
    both = _raised(_raised(text), name=OTHER)
    assert _raised(both) == _raised(both, name=OTHER) == both
    for first, last in ((NAME, OTHER), (OTHER, NAME)):
        alone = _taken_back(both, first)
        assert _values(alone) == _values(both)
        assert _on_one_line(_taken_back(alone, last)) == _on_one_line(text)


@given(TEXTS)
def test_of_two_appliances_of_which_one_wants_more_either_may_go_first(text: str) -> None:
    more = {directive: 2 * least for directive, least in LEAST.items()}
    both = _raised(_raised(text), more, OTHER)
    assert _raised(both) == both
    for first, last in ((NAME, OTHER), (OTHER, NAME)):
        assert _on_one_line(_taken_back(_taken_back(both, first), last)) == _on_one_line(text)


def test_what_an_operator_has_changed_is_theirs_before_two_appliances_too() -> None:
    more = RAISED.replace("\tworker_connections 12768", "\tworker_connections 50000")
    assert _raised(more, name=OTHER).count("price-2") == 1
    assert _values(_taken_back(_raised(more, name=OTHER), OTHER)) == _values(more)
    less = RAISED.replace("\tworker_connections 12768", "\tworker_connections 1000")
    both = _raised(less, name=OTHER)
    assert "\t# price-2, utxoracle: worker_connections 12768 instead of 1000\n" in both
    assert _values(_taken_back(_taken_back(both), OTHER)) == {"worker_connections": 1000, "worker_rlimit_nofile": None}


@pytest.mark.parametrize(("value", "told"), [(1024, True), (65536, False)])
def test_what_an_included_file_says_is_left_and_told_when_it_is_too_small(value: int, *, told: bool) -> None:
    whole = f"{DEBIANS}# configuration file /etc/nginx/modules-enabled/own.conf:\nworker_rlimit_nofile {value};\n"
    after, notes = connections.plan(DEBIANS, whole, LEAST, NAME)
    assert _values(after) == {"worker_rlimit_nofile": None, "worker_connections": 12768}
    assert [
        f"worker_rlimit_nofile in a file of yours that it includes; make it {16384} there" in each for each in notes
    ] == ([True] if told else [])


def test_a_file_whose_block_of_events_is_elsewhere_is_left_as_it_is() -> None:
    text = "include events.conf;\nhttp { }\n"
    after, notes = connections.plan(text, f"{text}events {{ }}\n", LEAST, NAME)
    assert after == text
    assert len(notes) == len(LEAST)


def test_connections_that_an_included_file_gives_get_their_files() -> None:
    text = DEBIANS.replace("worker_connections 768;", "include events.conf;")
    whole = f"{text}# configuration file /etc/nginx/events.conf:\nworker_connections 20000;\n"
    assert connections.needed(text, whole, LEAST, 1024) == LEAST | {"worker_rlimit_nofile": 21024}


class _Host:
    """A directory as nginx' own, and programs that stand in for systemctl and nginx, which refuses the word `wrong`."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.conf = directory / "etc/nginx.conf"
        self.conf.parent.mkdir()
        self.conf.write_text(DEBIANS, encoding="utf-8")
        self._programs = directory
        self._program(
            "nginx",
            f'[ "$3" = -c ] && file=$4 || file={self.conf}\n'
            '! grep -q wrong "$file" || { echo "[emerg] wrong" >&2; exit 1; }\n[ "$3" != -T ] || cat "$file"\n',
        )
        self.limit_files("1024")
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    def _program(self, name: str, script: str) -> None:
        program = self._programs / name
        program.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        program.chmod(0o755)

    def limit_files(self, soft: str) -> None:
        """Let systemd give nginx so many files, in its words."""
        self._program("systemctl", f'[ "$*" = "show -P LimitNOFILESoft nginx.service" ] && echo "{soft}"\n')

    def run(
        self,
        capsys: pytest.CaptureFixture[str],
        least: dict[str, int] = LEAST,
        *,
        name: str = NAME,
        check: bool = False,
    ) -> Any:  # noqa: ANN401 - JSON
        connections.main(json.dumps({"conf": str(self.conf), "name": name, "least": least, "check": check}))
        return json.loads(capsys.readouterr().out)

    def text(self) -> str:
        return self.conf.read_text(encoding="utf-8")

    def files(self) -> list[str]:
        return [each.name for each in self.conf.parent.iterdir()]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Host:
    return _Host(tmp_path, monkeypatch)


def test_a_host_is_changed_once_and_back_once(host: _Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.conf.chmod(0o640)
    assert host.run(capsys, check=True) == {"changed": True, "notes": []}
    assert host.text() == DEBIANS
    assert host.run(capsys)["changed"]
    assert host.text() == RAISED
    assert host.conf.stat().st_mode & 0o777 == 0o640
    written = host.conf.stat().st_ctime_ns
    assert not host.run(capsys)["changed"]
    assert host.conf.stat().st_ctime_ns == written
    assert host.run(capsys, {})["changed"]
    assert host.text() == DEBIANS
    assert not host.run(capsys, {})["changed"]
    assert host.files() == ["nginx.conf"]


@pytest.mark.parametrize("soft", ["16384", "65536", "infinity"])
def test_files_that_systemd_gives_an_operators_nginx_are_not_made_fewer(
    host: _Host, capsys: pytest.CaptureFixture[str], soft: str
) -> None:
    text = DEBIANS.replace("768", "20000")
    host.conf.write_text(text, encoding="utf-8")
    host.limit_files(soft)
    assert host.run(capsys) == {"changed": False, "notes": []}
    assert host.text() == text


@pytest.mark.parametrize("soft", ["", "1024", "16383"])
def test_an_operators_connections_get_their_files_when_systemd_gives_too_few(
    host: _Host, capsys: pytest.CaptureFixture[str], soft: str
) -> None:
    text = DEBIANS.replace("768", "20000")
    host.conf.write_text(text, encoding="utf-8")
    host.limit_files(soft)
    assert host.run(capsys) == {"changed": True, "notes": []}
    assert _values(host.text()) == {"worker_rlimit_nofile": 21024, "worker_connections": 20000}
    assert not host.run(capsys)["changed"]
    assert host.run(capsys, {})["changed"]
    assert host.text() == text


@pytest.mark.parametrize("name", [NAME, OTHER])
def test_files_that_systemd_gives_later_take_the_place_of_ours(
    host: _Host, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    host.conf.write_text(_raised(_raised(DEBIANS), name=name), encoding="utf-8")
    host.limit_files("65536")
    for each in (NAME, OTHER):
        host.run(capsys, name=each)
    assert _values(host.text()) == {"worker_rlimit_nofile": None, "worker_connections": 12768}


def test_too_small_a_limit_in_nginx_file_is_raised_whatever_systemd_gives(
    host: _Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.conf.write_text(f"worker_rlimit_nofile 4096;\n{DEBIANS}", encoding="utf-8")
    host.limit_files("65536")
    assert host.run(capsys)["changed"]
    assert _values(host.text()) == LEAST


def test_a_file_that_is_kept_elsewhere_is_changed_there(
    host: _Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = host.conf.rename(tmp_path / "kept.conf")
    host.conf.symlink_to(kept)
    assert host.run(capsys)["changed"]
    assert host.conf.is_symlink()
    assert kept.read_text(encoding="utf-8") == RAISED


def test_a_file_that_nginx_refuses_is_not_put_into_place(
    host: _Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connections, "plan", lambda *_: ("wrong", []))
    with pytest.raises(SystemExit) as left:
        host.run(capsys)
    assert left.value.code == 2
    assert capsys.readouterr().err == "nginx -t: [emerg] wrong"
    assert host.text() == DEBIANS
    assert host.files() == ["nginx.conf"]


def test_what_was_wrong_before_is_told_and_nothing_is_changed(host: _Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.conf.write_text("wrong", encoding="utf-8")
    with pytest.raises(SystemExit):
        host.run(capsys)
    assert host.text() == "wrong"


def test_without_our_site_a_host_that_lost_its_file_is_none_of_our_business(
    host: _Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.conf.unlink()
    assert host.run(capsys, {}) == {"changed": False, "notes": []}


def test_nginx_reads_its_own_file_again_and_gives_up_the_room_with_our_site() -> None:
    variables = yaml.safe_load((ROLES / "proxy/vars/main.yml").read_text(encoding="utf-8"))
    assert variables["__proxy_reload_question"]["paths"].startswith("{{ [__proxy_conf, ")
    least = variables["__proxy_connections_question"]["least"]
    assert least == "{{ __proxy_connections_least if proxy_enabled | bool else {} }}"
    names = [task["name"] for task in yaml.safe_load((ROLES / "proxy/tasks/main.yml").read_text(encoding="utf-8"))]
    room, read = "Let nginx take as many connections as the stream takes clients", "Let nginx read what changed"
    assert names.index("Take our site away") < names.index(room) < names.index(read)
