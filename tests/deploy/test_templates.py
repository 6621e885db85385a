"""What is rendered onto a host: units that systemd accepts and scores, the operators' command, nginx' site."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.templates import TEMPLATES, rendered

SERVICES = sorted(file.name for file in (TEMPLATES / "systemd").glob("*.service.j2"))
UNITS = sorted(file.name for file in (TEMPLATES / "systemd").glob("*.*.j2") if not file.name.endswith(".conf.j2"))
LONG_RUNNING = [name for name in SERVICES if "integration" not in name]

# Every line that weakens the sandbox it follows, and when it may be there at all.
EXCEPTIONS: dict[str, dict[str, object]] = {
    "ProtectHome=read-only": {"settings_bitcoin_rpc_cookie_file": "/home/node/.bitcoin/.cookie"},
    'ReadWritePaths="/srv/price data"': {"__units_database_file": "/srv/price data/utxoracle.db"},
    "IPAddressAllow=192.0.2.10 192.0.2.53": {"__units_addresses": ["192.0.2.10", "192.0.2.53"]},
    "IPAddressAllow=192.0.2.11": {"__units_detector_addresses": ["192.0.2.11"]},
    "IPAddressAllow=any": {"__units_integration_anywhere": True},
}
# What a service cannot do without, whatever the operator has set.
NEEDED = {"detector.service.j2": ["SystemCallFilter=sched_setscheduler"]}
# By the exception, the services that may have it; all, where it does not say.
ONLY_FOR = {
    "IPAddressAllow=192.0.2.10 192.0.2.53": {*SERVICES} - {"detector.service.j2"},
    "IPAddressAllow=192.0.2.11": {"detector.service.j2"},
    "IPAddressAllow=any": {"integration.service.j2"},
}


def _sandbox() -> list[str]:
    return [line for line in rendered("systemd/hardening.conf.j2").splitlines() if not line.startswith("#")]


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _systemd_version() -> int:
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[1])


def _installed(directory: Path, **variables: object) -> list[str]:
    """Write every unit into `directory` and return the files; what they start is there, too."""
    python = directory / "current/venv/bin/python"
    python.parent.mkdir(parents=True)
    shutil.copy("/bin/true", python)
    files = []
    for name in UNITS:
        file = directory / f"utxoracle-{name.removesuffix('.j2')}"
        grows = _systemd_version() >= 254
        text = rendered(f"systemd/{name}", __host_home=directory, __units_delay_grows=grows, **variables)
        file.write_text(text, encoding="utf-8")
        files.append(str(file))
    return files


def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", *_installed(tmp_path)], capture_output=True, text=True, check=False
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "utxoracle" in line]
    assert ours == []


@pytest.mark.parametrize("exceptions", [[], *([name] for name in EXCEPTIONS), [*EXCEPTIONS]])
def test_the_exposure_of_every_service_is_low_whatever_the_operator_has_set(
    tmp_path: Path, exceptions: list[str]
) -> None:
    variables = {variable: value for name in exceptions for variable, value in EXCEPTIONS[name].items()}
    for file in _installed(tmp_path, **variables):
        if file.endswith(".service"):
            command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", file]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            score = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
            assert score is not None, done.stdout + done.stderr
            assert float(score.group(1)) <= 1.5, done.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_whole_sandbox_and_after_it_only_what_it_needs(service: str) -> None:
    lines, sandbox = _lines(rendered(f"systemd/{service}")), _sandbox()
    start = lines.index(sandbox[0])
    assert lines[start : start + len(sandbox)] == sandbox
    assert lines[start + len(sandbox) :] in (
        NEEDED.get(service, []),
        [*NEEDED.get(service, []), "[Install]", "WantedBy=multi-user.target"],
    )


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_an_exception_follows_the_sandbox_only_when_it_is_asked_for(service: str, exception: str) -> None:
    lines = _lines(rendered(f"systemd/{service}", **EXCEPTIONS[exception]))
    assert exception not in _lines(rendered(f"systemd/{service}"))
    if service in ONLY_FOR.get(exception, {service}):
        assert lines.index(exception) > lines.index(_sandbox()[-1])
    else:
        assert exception not in lines


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_service_is_restarted_for_ever_but_not_for_its_settings(service: str) -> None:
    for grows in (True, False):
        lines = _lines(rendered(f"systemd/{service}", __units_delay_grows=grows))
        assert {"StartLimitIntervalSec=0", "Restart=on-failure", "RestartPreventExitStatus=78"} <= set(lines)
        assert {"Type=notify", "WatchdogSec=60", "MemoryMax=500M"} <= set(lines)
        assert ("RestartMaxDelaySec=120" in lines) == grows


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_whoever_serves_by_workers_lets_them_speak_to_systemd_and_nobody_else_does(service: str) -> None:
    speakers = "main" if service == "detector.service.j2" else "all"
    assert f"NotifyAccess={speakers}" in _lines(rendered(f"systemd/{service}"))


def test_there_are_descriptors_for_five_thousand_clients_of_the_stream() -> None:
    (limit,) = re.findall(r"^LimitNOFILE=(\d+)$", rendered("systemd/websocket.service.j2"), re.MULTILINE)
    assert int(limit) >= 6000


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_yields_to_bitcoind_and_gets_its_settings_as_a_credential(service: str) -> None:
    lines = _lines(rendered(f"systemd/{service}"))
    weights = {line.partition("=")[0]: int(line.partition("=")[2]) for line in lines if "Weight=" in line}
    assert weights
    assert max(weights.values()) < 100
    assert set(weights) == {"CPUWeight", "IOWeight"}
    assert "LoadCredential=env:/etc/utxoracle/.env" in lines
    assert not [line for line in lines if line.startswith("EnvironmentFile")]


def test_a_database_in_the_state_directory_is_no_exception() -> None:
    given = rendered("systemd/api.service.j2", __units_database_file="/var/lib/utxoracle/other.db")
    assert given == rendered("systemd/api.service.j2")


def test_the_integration_runs_on_the_clock_and_after_boot() -> None:
    lines = _lines(rendered("systemd/integration.timer.j2"))
    assert {"OnCalendar=*:0/10", "OnBootSec=5min"} <= set(lines)
    done = subprocess.run(["systemd-analyze", "calendar", "*:0/10"], capture_output=True, text=True, check=False)
    assert "*:00/10:00" in done.stdout


def _command(tmp_path: Path) -> Path:
    python = tmp_path / "current/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nenv; printf "word %s\\n" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    command = tmp_path / "utxoracle"
    command.write_text(rendered("bin/utxoracle.j2", __host_home=tmp_path), encoding="utf-8")
    command.chmod(0o755)
    return command


def test_the_operators_command_hands_over_words_as_they_are_and_says_whose_it_is(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/root"}
    done = subprocess.run(
        [_command(tmp_path), "users", "a b", "$HOME", ""], capture_output=True, text=True, check=True, env=environ
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("word ")] == [
        *("word -P", "word -m", "word app.cli", "word users", "word a b", "word $HOME", "word ")
    ]
    assert {
        "UTXORACLE_USER=utxoracle",
        "UTXORACLE_ENV_FILE=/etc/utxoracle/.env",
        "STATE_DIRECTORY=/var/lib/utxoracle",
        "RUNTIME_DIRECTORY=/run/utxoracle",
        "HOME=/var/lib/utxoracle",
        f"PYTHONPATH={tmp_path}/current",
    } <= set(lines)


def test_another_settings_file_may_be_named_to_the_operators_command(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin:/bin", "UTXORACLE_ENV_FILE": "/elsewhere"}
    done = subprocess.run([_command(tmp_path)], capture_output=True, text=True, check=True, env=environ)
    assert "UTXORACLE_ENV_FILE=/elsewhere" in done.stdout.splitlines()


def test_the_site_overwrites_what_clients_claim_about_themselves() -> None:
    site = rendered("nginx/utxoracle.conf.j2")
    headers = dict(re.findall(r"^\s*proxy_set_header (\S+)\s+(\S+);", site, re.MULTILINE))
    assert headers["X-Forwarded-For"] == "$remote_addr"
    assert headers["X-Forwarded-Proto"] == "$scheme"
    assert headers["X-Forwarded-Prefix"] == headers["Forwarded"] == '""'
    assert "proxy_add_x_forwarded_for" not in site


def test_all_names_of_the_site_follow_the_prefix() -> None:
    site = rendered("nginx/utxoracle.conf.j2", host_prefix="price-2", __proxy_certificate="/c", __proxy_key="/k")
    assert "utxoracle" not in site
    # A hyphen ends the name of a variable.
    assert set(re.findall(r"\$price\S*?(?=[;\s{])", site)) == {
        "$price_2_root",
        "$price_2_upgrade",
        "$price_2_connection",
    }


@pytest.mark.parametrize(
    ("address", "listens"),
    [("0.0.0.0", "0.0.0.0:8443 ssl;"), ("::", "[::]:8443 ssl ipv6only=off;"), ("::1", "[::1]:8443 ssl;")],  # noqa: S104
)
def test_the_site_listens_where_it_is_told(address: str, listens: str) -> None:
    assert re.findall(
        r"^\s*listen (.*)$", rendered("nginx/utxoracle.conf.j2", proxy_address=address), re.MULTILINE
    ) == [listens]


@pytest.mark.parametrize(
    ("bound", "asked"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("2001:db8::1", "[2001:db8::1]")],  # noqa: S104
)
def test_the_site_asks_the_services_where_they_can_be_reached(bound: str, asked: str) -> None:
    site = rendered("nginx/utxoracle.conf.j2", settings_api_host=bound)
    assert re.findall(r"^\s*server (\S+);", site, re.MULTILINE) == [f"{asked}:8001", "127.0.0.1:8765"]


def test_without_tls_there_is_no_word_of_it() -> None:
    assert "ssl" not in rendered("nginx/utxoracle.conf.j2", proxy_tls=False)
