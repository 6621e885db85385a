"""Who we are to bitcoind's JSON-RPC."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from app.services.block_source import NodeUnauthorisedError

if TYPE_CHECKING:
    from pathlib import Path


class Credentials(Protocol):
    """Who we are to the node."""

    @property
    def remedy(self) -> str:
        """What an operator does when the node does not accept them."""

    def authorization(self) -> str | None:
        """Return the value of the Authorization header; raise NodeUnauthorisedError when it cannot be had."""


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """None were given."""

    remedy: ClassVar[str] = "set BITCOIN_RPC_COOKIE_FILE, or BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD"

    def authorization(self) -> None:
        """Return None: there is nothing to say."""


@dataclass(frozen=True, slots=True)
class UserPassword:
    """A user of the node's `rpcauth`."""

    user: str
    password: str = field(repr=False)
    remedy: ClassVar[str] = "compare BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD with rpcauth in its bitcoin.conf"

    def authorization(self) -> str:
        """Return user and password as HTTP wants them."""
        # As the bytes that they are in the environment, be they UTF-8 or not.
        return _basic(f"{self.user}:{self.password}".encode(errors="surrogateescape"))


@dataclass(frozen=True, slots=True)
class CookieFile:
    """The file that bitcoind writes anew at each start."""

    path: Path

    @property
    def remedy(self) -> str:
        """What an operator does when the node does not accept the cookie."""
        return f"BITCOIN_RPC_COOKIE_FILE ({self.path}) is not the cookie of this node"

    def authorization(self) -> str:
        """Return the cookie of now."""
        try:
            return _basic(self.path.read_bytes().strip())
        except OSError as error:
            raise NodeUnauthorisedError(
                f"the cookie file {self.path} cannot be read ({error.strerror}); is bitcoind running, "
                "and may this user read it (rpccookieperms=group)?"
            ) from error


def credentials_of(cookie_file: Path | None, user: str | None, password: str | None) -> Credentials:
    """Return whichever credentials there are."""
    if cookie_file is not None:
        return CookieFile(cookie_file)
    if user and password:
        return UserPassword(user, password)
    return NoCredentials()


def _basic(user_and_password: bytes) -> str:
    return f"Basic {b64encode(user_and_password).decode()}"
