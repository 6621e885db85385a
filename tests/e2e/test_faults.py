"""Faults are put into a deployed host, one after the other, and `verify` must name each; then the host heals itself."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

import pytest

from tests.e2e.operator import Operator, inventory

API, STREAM, JOB = "utxoracle-api.service", "utxoracle-websocket.service", "utxoracle-integration.service"
DETECTOR = "utxoracle-detector.service"
TIMER = "utxoracle-integration.timer"
ENV = "/etc/utxoracle/.env"
HOME = "/opt/utxoracle"
SERVICES = [API, STREAM, DETECTOR]
HEALTHY = 200
# A run that the timer started in the middle of a fault has failed by it.
MEND_JOB = f"\nif systemctl --quiet is-failed {JOB}; then systemctl start {JOB}; fi\n"


KEEP_ENV = f"cp -a {ENV} {ENV}.kept\n"
RESTORE_ENV = f"mv {ENV}.kept {ENV}\n"
DROP_IN, JOB_DROP_IN = f"/run/systemd/system/{API}.d", f"/run/systemd/system/{JOB}.d"
DETECTOR_DROP_IN = f"/run/systemd/system/{DETECTOR}.d"


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _sql(statements: str) -> str:
    """Return a command for `statements`, by the service's user: a file that root makes there would lock it out."""
    program = (
        "import sqlite3, sys; "
        "database = sqlite3.connect('/var/lib/utxoracle/utxoracle.db', timeout=30); "
        "database.executescript(sys.argv[1])"
    )
    return shlex.join(["runuser", "-u", "utxoracle", "--", "python3", "-c", program, statements])


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong on a host.

    Attributes:
        name: Of the test.
        inject: Script that brings it about.
        undo: Script that takes it back.
        named: Checks that must fail.
        also: Checks that may fail with them, since they look at the same thing from farther off.
    """

    name: str
    inject: str
    undo: str
    named: frozenset[str]
    also: frozenset[str] = frozenset()


def _fault(name: str, inject: str, undo: str, *named: str, also: tuple[str, ...] = ()) -> Fault:
    return Fault(name, inject, undo, frozenset(named), frozenset(also))


THROUGH_API = ("health", "authentication_refused", "authentication_granted", "proxy")
FAULTS = [
    _fault(
        "a stopped API",
        f"systemctl stop {API}",
        f"systemctl start {API}",
        f"unit {API}",
        *THROUGH_API,
    ),
    _fault(
        "a stopped alert stream",
        f"systemctl stop {STREAM}",
        f"systemctl start {STREAM}",
        f"unit {STREAM}",
        "websocket",
        "proxy_websocket",
        also=("health",),
    ),
    _fault(
        "a stopped detector",
        f"systemctl stop {DETECTOR}",
        f"systemctl start {DETECTOR}",
        f"unit {DETECTOR}",
        "mempool_stream",
    ),
    _fault(
        "a detector that nobody watches",
        f"mkdir -p {DETECTOR_DROP_IN}\n"
        f"printf '[Service]\\nWatchdogSec=0\\n' > {DETECTOR_DROP_IN}/unwatched.conf\n"
        f"systemctl daemon-reload; systemctl restart {DETECTOR}",
        f"rm -r {DETECTOR_DROP_IN}\nsystemctl daemon-reload; systemctl restart {DETECTOR}",
        f"unit {DETECTOR}",
    ),
    _fault(
        "a node that publishes nothing",
        "cp -a /etc/bitcoin/bitcoin.conf /root/kept\n"
        "sed -i '/^zmqpub/d' /etc/bitcoin/bitcoin.conf\nsystemctl restart bitcoind",
        "cat /root/kept > /etc/bitcoin/bitcoin.conf; rm /root/kept\nsystemctl restart bitcoind",
        "mempool_stream",
    ),
    _fault("a disabled API", f"systemctl disable {API}", f"systemctl enable {API}", f"unit {API}"),
    _fault("a stopped timer", f"systemctl stop {TIMER}", f"systemctl start {TIMER}", f"timer {TIMER}"),
    _fault("a disabled timer", f"systemctl disable {TIMER}", f"systemctl enable {TIMER}", f"timer {TIMER}"),
    _fault(
        "a dropped table",
        _sql("ALTER TABLE webhook_deliveries RENAME TO kept"),
        _sql("ALTER TABLE kept RENAME TO webhook_deliveries"),
        "schema",
        also=("health",),
    ),
    _fault(
        "a downgraded schema",
        _sql(
            "CREATE TABLE kept AS SELECT * FROM alembic_version; "
            "UPDATE alembic_version SET version_num = '20260101_older'"
        ),
        _sql("UPDATE alembic_version SET version_num = (SELECT version_num FROM kept); DROP TABLE kept"),
        "schema",
        also=("health",),
    ),
    _fault(
        "no price row and no way to a first one",
        _lines(
            f"systemctl stop {TIMER}",
            _sql("CREATE TABLE kept AS SELECT * FROM price_comparisons; DELETE FROM price_comparisons"),
            f"mkdir -p {JOB_DROP_IN}",
            f"printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {JOB_DROP_IN}/broken.conf",
            "systemctl daemon-reload",
        ),
        _lines(
            f"rm -r {JOB_DROP_IN}",
            "systemctl daemon-reload",
            f"systemctl reset-failed {JOB} || true",
            _sql("DELETE FROM price_comparisons; INSERT INTO price_comparisons SELECT * FROM kept; DROP TABLE kept"),
            f"systemctl start {JOB} {TIMER}",
        ),
        "price_row",
        f"unit {JOB}",
        f"timer {TIMER}",
        also=("health",),
    ),
    _fault(
        "a signing key that the running services do not have",
        KEEP_ENV + f"sed -i 's/^JWT_SECRET_KEY=.*/JWT_SECRET_KEY=\"{'another key ' * 4}\"/' {ENV}",
        RESTORE_ENV,
        "authentication_granted",
        "websocket",
    ),
    _fault(
        "a malformed settings file",
        KEEP_ENV + f"sed -i 's/^API_PORT=.*/API_PORT=\"eighty\"/' {ENV}; echo 'NOT_OURS=\"1\"' >> {ENV}",
        RESTORE_ENV,
        "settings",
    ),
    _fault("settings for the world to read", f"chmod 644 {ENV}", f"chmod 600 {ENV}", "settings_file"),
    _fault(
        "a secret for the world to read",
        "chmod 755 /etc/utxoracle/secrets; chmod 644 /etc/utxoracle/secrets/*",
        "chmod 700 /etc/utxoracle/secrets; chmod 600 /etc/utxoracle/secrets/*",
        "secrets",
    ),
    _fault(
        "a database for the world to read",
        "chmod 755 /var/lib/utxoracle; chmod 644 /var/lib/utxoracle/utxoracle.db",
        "chmod 700 /var/lib/utxoracle; chmod 600 /var/lib/utxoracle/utxoracle.db",
        "state_directory",
    ),
    _fault(
        "a sandbox weakened from beside",
        f"mkdir -p {DROP_IN}\n"
        f"printf '[Service]\\nPrivateDevices=no\\nProtectSystem=no\\nSystemCallFilter=\\nNoNewPrivileges=no\\n'"
        f" > {DROP_IN}/weak.conf\nsystemctl daemon-reload",
        f"rm -r {DROP_IN}\nsystemctl daemon-reload",
        f"sandbox {API}",
    ),
    _fault(
        "one line of the sandbox reset from beside",
        f"mkdir -p {DROP_IN}\n"
        f"printf '[Service]\\nProtectKernelTunables=no\\n' > {DROP_IN}/weak.conf\nsystemctl daemon-reload",
        f"rm -r {DROP_IN}\nsystemctl daemon-reload",
        f"sandbox {API}",
    ),
    _fault(
        "a line of the sandbox lost",
        f"cp -a /etc/systemd/system/{STREAM} /root/kept\n"
        f"sed -i '/^ProtectKernelTunables=/d' /etc/systemd/system/{STREAM}\nsystemctl daemon-reload",
        f"mv /root/kept /etc/systemd/system/{STREAM}\nsystemctl daemon-reload",
        f"sandbox {STREAM}",
    ),
    _fault(
        "a unit changed behind systemd's back",
        f"cp -a /etc/systemd/system/{API} /root/kept; sleep 0.01; echo '# touched' >> /etc/systemd/system/{API}",
        f"mv /root/kept /etc/systemd/system/{API}\nsystemctl daemon-reload",
        f"unit {API}",
    ),
    _fault(
        "something else on the alert stream's port",
        f"systemctl stop {STREAM}\n"
        "systemd-run --quiet --unit=intruder --collect python3 -m http.server --bind 127.0.0.1 8765\n"
        "until ss -Hltn 'sport = 8765' | grep -q .; do sleep 0.1; done",
        f"systemctl stop intruder\nsystemctl start {STREAM}",
        f"unit {STREAM}",
        "websocket",
        "proxy_websocket",
        also=("health",),
    ),
    _fault("a stopped proxy", "systemctl stop nginx", "systemctl start nginx", "proxy", "proxy_websocket"),
    _fault(
        "a node that lets our user do everything",
        "cp -a /etc/bitcoin/bitcoin.conf /root/kept\n"
        "sed -i '/^rpcwhitelist/d' /etc/bitcoin/bitcoin.conf\nsystemctl restart bitcoind",
        "cat /root/kept > /etc/bitcoin/bitcoin.conf; rm /root/kept\nsystemctl restart bitcoind",
        "rpc_whitelist",
        also=("health", "mempool_stream"),
    ),
    _fault(
        "a node that is away",
        "systemctl stop bitcoind",
        "systemctl start bitcoind",
        "health",
        also=("mempool_stream",),
    ),
    _fault(
        "a broken link to the release",
        f"readlink {HOME}/current > /root/kept\nln -sfn {HOME}/releases/gone {HOME}/current",
        f'ln -sfn "$(cat /root/kept)" {HOME}/current; rm /root/kept\nsystemctl restart {" ".join(SERVICES)}',
        "release",
        "application",
        *(f"unit {each}" for each in SERVICES),
        also=("unit files",),
    ),
]


@pytest.fixture(scope="module")
def operator() -> Operator:
    return Operator(inventory())


def _verify(operator: Operator, patience_seconds: int) -> tuple[int, set[str], str]:
    ran = operator.playbook("verify", "-e", f"verify_patience_seconds={patience_seconds}")
    return ran.code, ran.failed_checks(), ran.text


def test_a_sound_host_is_accepted(operator: Operator) -> None:
    code, failed, text = _verify(operator, 60)
    assert (code, failed) == (0, set()), text


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_verify_fails_by_name_for(operator: Operator, fault: Fault) -> None:
    operator.root(fault.inject)
    try:
        if "health" in fault.named:
            operator.wait("/health is unhealthy, or away", lambda: operator.health() != HEALTHY)
        if "mempool_stream" in fault.named:
            operator.wait("the detector is missed", lambda: operator.check("mempool_stream") != "ok")
            operator.wait("the node answers", lambda: operator.check("bitcoind") == "ok")
        code, failed, text = _verify(operator, 0)
    finally:
        operator.root(fault.undo + MEND_JOB)
        operator.wait("/health has recovered", lambda: operator.health() == HEALTHY)
        operator.wait("the detector is on the stream", lambda: operator.check("mempool_stream") == "ok")
    assert code == 2, text
    assert fault.named <= failed, text
    # The timer may fire in the middle of any fault.
    assert failed <= fault.named | fault.also | {f"unit {JOB}"}, text


def test_there_are_more_than_ten_of_them() -> None:
    assert len({fault.name for fault in FAULTS}) >= 12


def test_once_all_is_undone_the_host_is_accepted_again(operator: Operator) -> None:
    code, failed, text = _verify(operator, 60)
    assert (code, failed) == (0, set()), text


@pytest.mark.parametrize("unit", SERVICES)
def test_a_killed_service_comes_back(operator: Operator, unit: str) -> None:
    before = operator.unit(unit, "MainPID")
    assert before != "0"
    operator.root(f"systemctl kill --signal=KILL {unit}")
    operator.wait(f"{unit} has a new process", lambda: operator.unit(unit, "MainPID") not in {before, "0"})
    operator.wait(f"{unit} is active", lambda: operator.unit(unit, "ActiveState") == "active")


def test_a_killed_integration_runs_again(operator: Operator) -> None:
    operator.root(f"systemctl start --no-block {JOB}; systemctl kill --signal=KILL {JOB} || true")
    operator.root(f"systemctl reset-failed {JOB} || true; systemctl start {JOB}")
    assert operator.unit(JOB, "Result") == "success"


@pytest.mark.parametrize(("unit", "port"), [(API, 8001), (STREAM, 8765)])
def test_bad_settings_are_all_told_at_once_with_no_port_opened_and_no_restart(
    operator: Operator, unit: str, port: int
) -> None:
    operator.root(
        KEEP_ENV
        + f"printf '%s\\n' 'RETENTION_DAYS=\"none\"' 'JWT_ALGORITHM=\"none\"' 'NOT_OURS=\"1\"' >> {ENV}\n"
        + f"systemctl restart {unit} || true"
    )
    try:
        operator.wait(f"{unit} has failed", lambda: operator.unit(unit, "ActiveState") == "failed")
        assert operator.unit(unit, "ExecMainStatus") == "78"
        assert operator.unit(unit, "NRestarts") == "0"
        invocation = operator.unit(unit, "InvocationID")
        journal = operator.root(f"journalctl --output=cat _SYSTEMD_INVOCATION_ID={invocation}")
        for key in ("RETENTION_DAYS", "JWT_ALGORITHM", "NOT_OURS"):
            assert key in journal, journal
        assert operator.root(f"ss -Hltn 'sport = {port}'") == ""
    finally:
        operator.root(RESTORE_ENV + f"systemctl reset-failed {unit}; systemctl start {unit}{MEND_JOB}")
    operator.wait(f"{unit} is active", lambda: operator.unit(unit, "ActiveState") == "active")


def test_a_detector_on_another_network_says_so_and_is_not_restarted(operator: Operator) -> None:
    operator.root(
        KEEP_ENV + f"sed -i 's/^BITCOIN_NETWORK=.*/BITCOIN_NETWORK=\"signet\"/' {ENV}\nsystemctl restart {DETECTOR}"
    )
    try:
        operator.wait(f"{DETECTOR} has failed", lambda: operator.unit(DETECTOR, "ActiveState") == "failed")
        assert operator.unit(DETECTOR, "ExecMainStatus") == "78"
        assert operator.unit(DETECTOR, "NRestarts") == "0"
        invocation = operator.unit(DETECTOR, "InvocationID")
        journal = operator.root(f"journalctl --output=cat _SYSTEMD_INVOCATION_ID={invocation}")
        assert "the node is on regtest, BITCOIN_NETWORK says signet; correct one of them" in journal
    finally:
        operator.root(RESTORE_ENV + f"systemctl reset-failed {DETECTOR} || true; systemctl start {DETECTOR}{MEND_JOB}")
    operator.wait("the detector is on the stream", lambda: operator.check("mempool_stream") == "ok")


def test_a_second_deploy_changes_nothing_and_is_quick(operator: Operator) -> None:
    ran = operator.playbook("deploy")
    assert ran.code == 0, ran.text
    assert ran.changed() == 0, ran.text
    assert ran.seconds <= 40, f"{ran.seconds:.1f} s"


def test_a_dry_run_with_differences_works_on_a_deployed_host(operator: Operator) -> None:
    ran = operator.playbook("deploy", "--check", "--diff")
    assert ran.code == 0, ran.text
    assert ran.changed() == 0, ran.text


def test_a_misspelt_variable_stops_a_deploy_before_anything_is_done(operator: Operator) -> None:
    ran = operator.playbook("deploy", "-e", "settings_mempol_api_url=http://127.0.0.1:1")
    assert ran.code == 2
    assert "did you mean settings_mempool_api_url?" in ran.text
    assert ran.changed() == 0


def test_each_thing_in_the_way_stops_a_deploy_in_preflight(operator: Operator) -> None:
    wrong = {
        "preflight_disk_min_mb": "1000000000",
        "settings_bitcoin_network": "signet",
        "settings_api_port": "22222",
        "settings_electrs_api_url": "http://127.0.0.1:22222",
    }
    operator.root(
        "systemd-run --quiet --unit=intruder --collect python3 -m http.server --bind 127.0.0.1 22222\n"
        "until ss -Hltn 'sport = 22222' | grep -q .; do sleep 0.1; done"
    )
    try:
        ran = operator.playbook("deploy", *(word for pair in wrong.items() for word in ("-e", "=".join(pair))))
    finally:
        operator.root("systemctl stop intruder")
    assert ran.code == 2
    assert ran.changed() == 0
    for sentence in (
        "make room, or lower preflight_disk_min_mb",
        "settings_bitcoin_network says signet",
        "port 22222 on 127.0.0.1 is taken by intruder.service",
        "is no Esplora REST",
    ):
        assert sentence in ran.text


ASK_PROXY = """
import http.client, ssl
connection = http.client.HTTPSConnection("127.0.0.1", 8443, context=ssl._create_unverified_context(), timeout=10)
connection.request("GET", "/api/prices/latest")
answer = connection.getresponse()
print(answer.status, answer.headers["Content-Type"], answer.read().decode())
"""


def test_while_a_service_is_away_the_proxy_says_so_as_the_api_says_every_problem(operator: Operator) -> None:
    operator.root(f"systemctl stop {API}")
    try:
        status, kind, body = operator.root(f"python3 -c {shlex.quote(ASK_PROXY)}").split(maxsplit=2)
    finally:
        operator.root(f"systemctl start {API}")
    assert (status, kind) == ("503", "application/problem+json")
    assert json.loads(body)["code"] == "SERVICE_AWAY"
    operator.wait("/health has recovered", lambda: operator.health() == HEALTHY)
