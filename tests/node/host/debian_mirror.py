"""Where this machine gets Debian's packages from, so that no address needs to be written down here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_ONE_LINE = re.compile(
    r"^\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]*)"
)
_SIGNED_BY = re.compile(r"\bsigned-by=(\S+)", re.IGNORECASE)
_DEBOOTSTRAP_SCRIPT = Path("usr/share/debootstrap/scripts/sid")
_DEFAULT_MIRROR = re.compile(r"^\s*default_mirror\s+(\S+)", re.MULTILINE)
_DEBIANS_KEYS = "debian-archive-"


class Source(NamedTuple):
    """A source of binary packages; `signed_by` is the file of its keys, or empty for those that apt trusts anyway."""

    uri: str
    suites: list[str]
    components: list[str]
    signed_by: str


def debian_mirror(root: Path = Path("/")) -> str:
    """Return the base address of a mirror of Debian's main archive.

    On Debian it is the machine's own; elsewhere (Ubuntu) the one that the package debootstrap declares.

    Raises:
        SystemExit: There is neither; the sentence says what to install.
    """
    release = dict(
        line.split("=", 1) for line in (root / "etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line
    )
    if release.get("ID", "").strip('"') == "debian":
        # Many who are not Debian call what they publish `stable main`.
        for names in ({release.get("VERSION_CODENAME", "").strip('"')}, {"stable", "testing", "sid", "unstable"}):
            for source in sources(root / "etc/apt"):
                if names & set(source.suites) and _is_debians(source):
                    return source.uri.rstrip("/")
    script = root / _DEBOOTSTRAP_SCRIPT
    declared = _DEFAULT_MIRROR.search(script.read_text(encoding="utf-8")) if script.exists() else None
    if declared is None:
        raise SystemExit("no mirror of Debian's archive is known; install the package debootstrap, which names one")
    return declared.group(1).rstrip("/")


def sources(folder: Path) -> Iterator[Source]:
    """Yield each source of binary packages under `folder`, in either format."""
    for file in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if file.suffix == ".sources":
            yield from _stanzas(file.read_text(encoding="utf-8"))
        elif file.suffix == ".list" and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                if found := _ONE_LINE.match(line):
                    keys = _SIGNED_BY.search(found["options"] or "")
                    components = found["components"].split()
                    yield Source(found["uri"], [found["suite"]], components, keys.group(1) if keys else "")


def _is_debians(source: Source) -> bool:
    signed = not source.signed_by or _DEBIANS_KEYS in source.signed_by
    return signed and "main" in source.components and source.uri.startswith(("http:", "https:"))


def _stanzas(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {
            name.strip().lower(): value.split()
            for name, _, value in (line.partition(":") for line in re.sub(r"\n[ \t]+", " ", stanza).splitlines())
        }
        if "deb" in fields.get("types", []) and (fields.get("enabled") or ["yes"])[0].lower() != "no":
            for uri in fields.get("uris", []):
                keys = " ".join(fields.get("signed-by", []))
                yield Source(uri, fields.get("suites", []), fields.get("components", []), keys)
