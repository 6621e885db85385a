"""Settings that no process can use end every one of them with 78 before it opens a port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET = "hunter2"  # noqa: S105 - what no message may repeat
DATABASES = [
    f"postgresql://u:{SECRET}@127.0.0.1:port/db",
    f"postgresql://u:{SECRET}@127.0.0.1:99999/db",
    f"postgresql://u:{SECRET}@127.0.0.1/db?connect_timeout=abc",
    f"postgresql://u:p@{SECRET}@127.0.0.1/db",
    f"postgresql://u:{SECRET}@[::1/db",
    f"mysql://u:{SECRET}@127.0.0.1/db",
    "sqlite:////",
    "sqlite:////tmp/x.db?timeout=abc",
]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that is taken: a process that tried to open it would end with another code, and say so."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def ended(process: str, directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(directory),
        "RUNTIME_DIRECTORY": str(directory),
        "JWT_SECRET_KEY": "s" * 32,
    }
    command = [sys.executable, "-m", f"app.processes.{process}"]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environ | settings, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("url", DATABASES)
@pytest.mark.parametrize("process", ["api", "websocket", "detector", "integration"])
def test_a_database_url_that_cannot_be_used_ends_with_78_and_no_port(
    process: str, url: str, taken_port: int, tmp_path: Path
) -> None:
    ports = {"API_PORT" if process == "api" else "WEBSOCKET_PORT": str(taken_port)}
    done = ended(process, tmp_path, DATABASE_URL=url, **ports)
    assert done.returncode == 78, done.stderr
    assert done.stderr.splitlines()[0].startswith("1 problem(s) in the settings")
    assert "DATABASE_URL" in done.stderr
    assert SECRET not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("process", ["api", "websocket", "detector", "integration"])
def test_a_malformed_line_of_the_file_ends_with_78(process: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('RATE_LIMIT_PER_MINUTE="5\nMIN_PRICE_USD="5"\nMAX_PRICE_USD="4"\n', encoding="utf-8")
    done = ended(process, tmp_path, UTXORACLE_ENV_FILE=str(file))
    assert done.returncode == 78
    assert "line 1 of the settings file (RATE_LIMIT_PER_MINUTE)" in done.stderr
    assert "MIN_PRICE_USD is not below MAX_PRICE_USD" in done.stderr
