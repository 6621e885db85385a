"""Which mirror of Debian a machine uses, read from apt's own files in either of their formats."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node.host.debian_mirror import Source, debian_mirror, sources

MIRROR = "http://mirror.example.org/debian"
DEBIAN = 'PRETTY_NAME="Debian GNU/Linux"\nVERSION_CODENAME=trixie\nID=debian\n'
UBUNTU = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"
STANZA = f"""\
Types: deb deb-src
# http://snapshot.example.org/archive
URIs: {MIRROR}/
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.example.org/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
DEBOOTSTRAP = f"case $ARCH in\n  *)\n\tdefault_mirror {MIRROR}/\n\t;;\nesac\n"


class Machine:
    """The files of a machine, below a directory that stands for its root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.apt = root / "etc/apt"
        (self.apt / "sources.list.d").mkdir(parents=True)
        self.write("etc/os-release", DEBIAN)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def sources(self, text: str, name: str = "sources.list") -> list[Source]:
        """Return the sources when `text` is in the file `name`."""
        self.write(f"etc/apt/{name}", text)
        return list(sources(self.apt))

    @property
    def mirror(self) -> str:
        return debian_mirror(self.root)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# One line a source


@pytest.mark.parametrize(
    ("line", "signed_by"),
    [
        (f"deb {MIRROR} trixie main contrib", ""),
        (f"  deb\t{MIRROR}   trixie  main contrib  ", ""),
        (f"deb {MIRROR} trixie main contrib # installed with the machine", ""),
        (f"deb [arch=amd64] {MIRROR} trixie main contrib", ""),
        (f"deb [ arch=amd64 signed-by=/keys/a.gpg ] {MIRROR} trixie main contrib", "/keys/a.gpg"),
        (f"deb [signed-by=/keys/a.gpg trusted=no] {MIRROR} trixie main contrib", "/keys/a.gpg"),
    ],
)
def test_a_line_is_one_source(machine: Machine, line: str, signed_by: str) -> None:
    assert machine.sources(line + "\n") == [Source(MIRROR, ["trixie"], ["main", "contrib"], signed_by)]


@pytest.mark.parametrize("line", [f"deb-src {MIRROR} trixie main", f"# deb {MIRROR} trixie main", "", "deb"])
def test_other_lines_are_none(machine: Machine, line: str) -> None:
    assert machine.sources(line + "\n") == []


# A stanza a source


def test_a_stanza_is_a_source_for_each_of_its_addresses(machine: Machine) -> None:
    found = machine.sources(
        f"Types: deb\nURIs: {MIRROR} https://other.example.org/debian\n"
        "Suites: trixie trixie-updates\nComponents: main\n",
        "sources.list.d/debian.sources",
    )
    suites = ["trixie", "trixie-updates"]
    assert found == [
        Source(MIRROR, suites, ["main"], ""),
        Source("https://other.example.org/debian", suites, ["main"], ""),
    ]


def test_comments_folded_lines_and_the_case_of_names_do_not_matter(machine: Machine) -> None:
    found = machine.sources(
        f"# first\n\n\nTYPES: deb\n# between\nuris:\n {MIRROR}\nSuites: trixie\n# within\n  trixie-updates\n"
        "Components: main\nSigned-By: /keys/a.gpg\n \n",
        "sources.list.d/debian.sources",
    )
    assert found == [Source(MIRROR, ["trixie", "trixie-updates"], ["main"], "/keys/a.gpg")]


@pytest.mark.parametrize("field", ["Types: deb-src", "Types: deb\nEnabled: no", "Types: deb\nenabled: No"])
def test_a_stanza_without_binary_packages_or_switched_off_is_none(machine: Machine, field: str) -> None:
    stanza = f"{field}\nURIs: {MIRROR}\nSuites: trixie\nComponents: main\n"
    assert machine.sources(stanza, "sources.list.d/debian.sources") == []


@pytest.mark.parametrize("field", ["Enabled: yes", "Enabled:"])
def test_a_stanza_that_is_not_switched_off_is_one(machine: Machine, field: str) -> None:
    stanza = f"Types: deb\n{field}\nURIs: {MIRROR}\nSuites: trixie\nComponents: main\n"
    assert len(machine.sources(stanza, "sources.list.d/debian.sources")) == 1


def test_a_key_within_the_stanza_is_not_a_field(machine: Machine) -> None:
    key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n Enabled: no\n -----END PGP PUBLIC KEY BLOCK-----\n"
    (found,) = machine.sources(
        f"Types: deb\nURIs: {MIRROR}\nSuites: trixie\nComponents: main\n{key}", "sources.list.d/other.sources"
    )
    assert "BEGIN PGP" in found.signed_by


def test_files_that_apt_does_not_read_are_not_read(machine: Machine) -> None:
    for name in ("debian.sources.save", "debian.list.bak", "README"):
        assert machine.sources(f"deb {MIRROR} trixie main\n{STANZA}", f"sources.list.d/{name}") == []


# Which of them is Debian's


def test_the_mirror_is_that_of_the_machines_own_release(machine: Machine) -> None:
    machine.write("etc/apt/sources.list.d/debian.sources", STANZA)
    assert machine.mirror == MIRROR


def test_the_mirror_is_found_in_the_older_format_too(machine: Machine) -> None:
    machine.write(
        "etc/apt/sources.list",
        "deb cdrom:[Debian]/ trixie main\n"
        "deb http://security.example.org/debian-security trixie-security main\n"
        "deb http://extra.example.org/debian trixie contrib\n"
        f"deb {MIRROR}/ trixie main\n"
        "deb http://later.example.org/debian trixie main\n",
    )
    assert machine.mirror == MIRROR


@pytest.mark.parametrize("suite", ["stable", "testing", "sid", "unstable"])
def test_a_machine_that_follows_a_suite_by_its_role_has_a_mirror(machine: Machine, suite: str) -> None:
    machine.write("etc/apt/sources.list", f"deb {MIRROR} {suite} main\n")
    assert machine.mirror == MIRROR


@pytest.mark.parametrize(
    "other",
    [
        "deb https://editor.example.org/repos/code stable main",
        "deb [arch=amd64 signed-by=/usr/share/keyrings/editor.gpg] https://editor.example.org/repos/code stable main",
        "deb [signed-by=/usr/share/keyrings/network.gpg] https://network.example.org/debian trixie main",
    ],
)
def test_who_publishes_under_the_same_names_is_not_taken_for_debian(machine: Machine, other: str) -> None:
    # Read before Debian's own, as they come in the order of their names.
    machine.write("etc/apt/sources.list.d/another.list", other + "\n")
    machine.write("etc/apt/sources.list.d/debian.sources", STANZA)
    assert machine.mirror == MIRROR


@pytest.mark.parametrize("release", [UBUNTU, DEBIAN])
def test_where_apt_names_none_debootstrap_does(machine: Machine, release: str) -> None:
    machine.write("etc/os-release", release)
    machine.write("etc/apt/sources.list", "deb http://archive.example.org/ubuntu noble main\n")
    machine.write("usr/share/debootstrap/scripts/sid", DEBOOTSTRAP)
    assert machine.mirror == MIRROR


def test_a_quoted_release_file_is_understood(machine: Machine) -> None:
    machine.write("etc/os-release", 'ID="debian"\nVERSION_CODENAME="trixie"\n\n# no more\n')
    machine.write("etc/apt/sources.list", f"deb {MIRROR} trixie main\n")
    assert machine.mirror == MIRROR


@pytest.mark.parametrize("script", [None, "# names none\n"])
def test_without_any_the_package_to_install_is_named(machine: Machine, script: str | None) -> None:
    machine.write("etc/os-release", UBUNTU)
    # Not Debian's, whatever it says.
    machine.write("etc/apt/sources.list", f"deb {MIRROR} stable main\n")
    if script is not None:
        machine.write("usr/share/debootstrap/scripts/sid", script)
    with pytest.raises(SystemExit, match="install the package debootstrap"):
        _ = machine.mirror
