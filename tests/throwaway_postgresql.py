"""A PostgreSQL server of the distribution's, made for a test run and gone after it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "only for this run"  # noqa: S105 - of a server that lives for a test run
_USER = "utxoracle"


class PostgresqlMissingError(Exception):
    """The distribution's server is not installed."""


@dataclass
class ThrowawayPostgresql:
    """A running server on a Unix socket; `directory` is also where its socket lies."""

    directory: Path
    binaries: Path
    _numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    def start(cls) -> ThrowawayPostgresql:
        """Make a cluster and start it; raise PostgresqlMissingError when the distribution's server is missing."""
        server = cls(Path(tempfile.mkdtemp(prefix="utxoracle-pg-", dir="/tmp")), _binaries())
        password_file = server.directory / "password"
        password_file.write_text(PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            for path in (server.directory, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        server._run(
            *("initdb", "--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={password_file}", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--no-sync", f"--pgdata={server.data}"),
        )
        server.resume()
        return server

    @property
    def data(self) -> Path:
        """Return the directory of the cluster."""
        return self.directory / "data"

    def resume(self) -> None:
        """Start the server and wait until it answers."""
        # Its data may be lost with the machine. Writing whole pages makes a new database cost five times as much.
        careless = "-c fsync=off -c full_page_writes=off"
        options = f"-c listen_addresses='' -c unix_socket_directories={self.directory} {careless}"
        log = self.directory / "log"
        self._run("pg_ctl", "start", "--wait", f"--pgdata={self.data}", f"--log={log}", f"--options={options}")

    def stop(self) -> None:
        """Stop the server, breaking every connection."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate", f"--pgdata={self.data}")

    def remove(self) -> None:
        """Stop the server and forget its data."""
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.directory)

    def new_database(self, template: str = "template1") -> str:
        """Make a database like `template`, to which nobody is connected, and return its URL."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(
            host=str(self.directory), user=_USER, password=PASSWORD, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def url(self, database: str, password: str = PASSWORD) -> str:
        """Return the URL of `database`, existing or not."""
        return f"postgresql+psycopg://{_USER}:{password}@/{database}?host={self.directory}"

    def _run(self, program: str, *arguments: str) -> None:
        # A server refuses to run as root.
        prefix = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        command = (*prefix, str(self.binaries / program), *arguments)
        # The server inherits the output, so a pipe would not end before it does.
        with (self.directory / f"{program}.output").open("w+", encoding="utf-8") as output:
            done = subprocess.run(command, cwd="/", stdout=output, stderr=subprocess.STDOUT, check=False)
            output.seek(0)
            assert done.returncode == 0, f"{program} failed:\n{output.read()}"


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    if not found:
        raise PostgresqlMissingError(
            "there is no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql (`make test` does)"
        )
    return found[-1].parent
