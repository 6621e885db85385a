"""Passwords against their hashes, a few at a time and beside everything else."""

from __future__ import annotations

from gevent.threadpool import ThreadPool
from werkzeug.security import check_password_hash, generate_password_hash

# scrypt takes 32 MB and a tenth of a second: in the loop it would stop every other request, unbounded the machine.
_AT_ONCE = 2


class ThreadedPasswordCheck:
    """Answers `app.services.authentication.PasswordCheck`; belongs to the loop of the thread that makes it."""

    def __init__(self) -> None:
        self._pool = ThreadPool(_AT_ONCE)

    def __call__(self, password_hash: str, password: str) -> bool:
        """Return whether `password` is the one of `password_hash`."""
        return bool(self._pool.apply(check_password_hash, (password_hash, password)))


def nobodys_hash() -> str:
    """Return a hash, as accounts have them, that the empty password alone would match."""
    return generate_password_hash("")
