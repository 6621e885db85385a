"""What names and passwords may look like, wherever they come from."""

from __future__ import annotations

import re

PASSWORD_MIN_CHARACTERS = 12
# Hashing reads all of it, so a bound keeps a login from being made expensive.
PASSWORD_MAX_CHARACTERS = 1024
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?")


def username_problem(username: str) -> str | None:
    """Return what is wrong with `username` for a new account, as a sentence; None when it will do."""
    if _NAME.fullmatch(username):
        return None
    return (
        f"{username!r} cannot be a name: take 1 to 32 of a-z, 0-9, dot, hyphen and underscore, "
        "with a letter or digit first and last."
    )


def password_problem(password: str) -> str | None:
    """Return what is wrong with `password` for an account, as a sentence that does not repeat it; None if nothing."""
    if len(password) < PASSWORD_MIN_CHARACTERS:
        return f"The password has {len(password)} characters; take at least {PASSWORD_MIN_CHARACTERS}."
    if len(password) > PASSWORD_MAX_CHARACTERS:
        return f"The password has {len(password)} characters; take at most {PASSWORD_MAX_CHARACTERS}."
    if not password.isprintable():
        return "The password has a character that cannot be typed, such as a line break; take it out."
    return None
