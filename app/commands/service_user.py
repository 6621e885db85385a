"""Giving up root, before a command touches anything but the settings."""

from __future__ import annotations

import os
import pwd

from app.config import env_file


def environ_as_service_user() -> dict[str, str]:
    """Return the environment for the settings, after giving up root for good.

    A file that root makes in the state directory would lock the services out. The settings file is readable by
    root alone, so its content is taken along first.
    """
    environ = dict(os.environ)
    user = environ.get("UTXORACLE_USER")
    if os.geteuid() != 0 or not user:
        return environ
    environ = env_file.taken_along(environ)
    try:
        account = pwd.getpwnam(user)
        os.initgroups(user, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    except (KeyError, OSError) as error:
        # Every command reads the settings first and is refused them, so that none goes on as root.
        reason = "there is no such user" if isinstance(error, KeyError) else error.strerror
        environ[env_file.PROBLEM_KEY] = (
            f"UTXORACLE_USER is {user!r}, and this command cannot become that user: {reason}; "
            "name the user of the services"
        )
    return environ
