"""`utxoracle labels`, as an operator runs it, and the addresses that come with a release."""

from __future__ import annotations

import csv
import importlib.util
import os
import pwd
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from app.adapters.database.labels import DatabaseLabels
from app.adapters.label_file import SHIPPED, CsvLabelFile
from app.adapters.unreadable_file import unreadable
from app.cli import main
from app.domain.whales.addresses import address_of, script_of
from app.services.price_import import Line
from app.services.whales.label_lines import Context, KnownAddress
from app.services.whales.labelling import BATCH_ROWS, Counts, FileChangedError, LabelImport, seed_shipped

if TYPE_CHECKING:
    from app.adapters.database.engine import Database

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)
FIRST, SECOND = "bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu9", "2MxFajLApXpYk4VodBSZSt7rw8y4ryABkfA"
GOOD = f"""\
address,name,category
{FIRST.upper()},An Exchange,exchange

{SECOND},A Pool,mining
"""


@pytest.fixture
def environ(tmp_path: Path, database_url: str) -> dict[str, str | None]:
    return {
        "UTXORACLE_USER": None,
        "UTXORACLE_ENV_FILE": "/dev/null",
        "STATE_DIRECTORY": str(tmp_path),
        "RUNTIME_DIRECTORY": str(tmp_path),
        "JWT_SECRET_KEY": "s" * 32,
        "DATABASE_URL": database_url,
        "BITCOIN_NETWORK": "regtest",
    }


class Labels:
    def __init__(self, environ: dict[str, str | None], directory: Path) -> None:
        self.environ = environ
        self._directory = directory

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["labels", *arguments], env=self.environ)

    def imported(self, content: str | bytes, *options: str) -> Result:
        file = self._directory / "labels.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self("import", str(file), *options)


@pytest.fixture
def labels(environ: dict[str, str | None], tmp_path: Path) -> Labels:
    return Labels(environ, tmp_path)


def kept(database: Database) -> set[KnownAddress]:
    return set(DatabaseLabels(database, "regtest").every(None))


def test_a_file_becomes_labels_that_say_who_says_so(labels: Labels, database: Database) -> None:
    options = ("--source", "a friend", "--url", "https://friend.example/list", "--asserted", "2026-01-02")
    done = labels.imported(GOOD, *options)
    assert (done.exit_code, done.output) == (0, "new labels: 2; changed: 0; there already: 0\n")
    told = ("a friend", "https://friend.example/list", datetime(2026, 1, 2, tzinfo=UTC))
    assert kept(database) == {
        KnownAddress(FIRST, "An Exchange", "exchange", *told),
        KnownAddress(SECOND, "A Pool", "mining", *told),
    }
    again = labels.imported(GOOD.replace("A Pool", "Another"), *options)
    assert again.output == "new labels: 0; changed: 1; there already: 1\n"


@pytest.mark.parametrize("lines_between", [0, BATCH_ROWS])
def test_of_several_lines_about_an_address_the_last_counts_and_the_address_counts_once(
    labels: Labels, database: Database, lines_between: int
) -> None:
    others = [address_of(b"\x00\x14" + number.to_bytes(20, "big"), "regtest") for number in range(lines_between)]
    between = "".join(f"{address},X,exchange\n" for address in others)
    head, line = "address,name,category\n", f"{FIRST},New,exchange\n"
    content = f"{head}{FIRST},Old,exchange\n{between}{line}{line}"
    done = labels.imported(content, "--source", "me")
    assert done.output == f"new labels: {lines_between + 1}; changed: 0; there already: 0\n"
    assert [each.name for each in kept(database) if each.address == FIRST] == ["New"]
    again = labels.imported(f"{head}{line}{FIRST},Another,exchange\n", "--source", "me")
    assert again.output == "new labels: 0; changed: 1; there already: 0\n"


def test_a_line_with_a_source_of_its_own_takes_nothing_from_the_options(labels: Labels, database: Database) -> None:
    content = (
        "\ufeffasserted_at,source_url,source,category,name,address\n"
        f"2026-01-02T03:04:05+01:00,http://them.example,them,exchange,Theirs,{FIRST}\n"
        f",,them,exchange,Theirs,{SECOND}\n"
        f",,,exchange,Mine,{FIRST}\n"
    )
    assert labels.imported(content, "--source", "me", "--url", "https://me.example").exit_code == 0
    assert {each[3:] for each in kept(database)} == {
        ("them", "http://them.example", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)),
        ("them", None, None),
        ("me", "https://me.example", None),
    }


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            f"{FIRST[:-1]}8,X,exchange",
            "line 3: 'bcrt1qdavt4j2sd7dlhqsavtnfxvzppw6k7qy97tmnu8' is no address: its checksum",
        ),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa,X,exchange", "it is of another network than regtest"),
        (",X,exchange", "line 3: it has no address"),
        (f"{SECOND},,exchange", "line 3: it has no name"),
        (f"{SECOND},X,", "line 3: it has no category"),
        (f"{SECOND},X,Big Exchange", "category is 'Big Exchange'"),
        (f"{SECOND},{'X' * 101},exchange", "a line of up to 100 characters"),
        (f'{SECOND},"X\nY",exchange', "line 4: name is 'X\\nY'"),
        (f"{SECOND},X", "line 3: it has 2 cells, and the header 3"),
        (f'{SECOND},"X"Y,exchange', "line 3: it is no CSV"),
    ],
)
def test_one_bad_line_keeps_everything_out(labels: Labels, database: Database, line: str, sentence: str) -> None:
    done = labels.imported(f"address,name,category\n{FIRST},An Exchange,exchange\n{line}\n", "--source", "me")
    assert done.exit_code == 2
    assert "bad lines: 1; nothing was imported:" in done.output
    assert sentence in done.output
    assert kept(database) == set()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "it has no source; say with --source"),
        (("--source", "me", "--url", "ftp://me.example"), "source_url is 'ftp://me.example'"),
        (("--source", "me", "--url", "https://"), "and must be an address of the web"),
        (("--source", "me", "--url", "http://[::1"), "and must be an address of the web"),
        (("--source", "me", "--asserted", "yesterday"), "asserted_at is 'yesterday'"),
        (("--source", "me", "--asserted", "2026-01-02T03:04:05"), "a time with its offset"),
        (("--source", "me", "--asserted", "2999-01-01"), "and must be from 2009-01-03 to now"),
        (("--source", "m" * 101), "source is"),
    ],
)
def test_options_are_checked_like_the_file(
    labels: Labels, database: Database, options: tuple[str, ...], sentence: str
) -> None:
    done = labels.imported(GOOD, *options)
    assert done.exit_code == 2
    assert sentence in done.output
    assert kept(database) == set()


def test_of_many_bad_lines_the_first_twenty_are_shown(labels: Labels) -> None:
    done = labels.imported("address,name,category\n" + "nowhere,X,exchange\n" * 30, "--source", "me")
    assert done.output.startswith("Error: bad lines: 30; nothing was imported:\nline 2: 'nowhere' is no address")
    assert "line 21:" in done.output
    assert "line 22:" not in done.output
    assert done.output.endswith("and 10 more\n")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "it lacks address, name, category"),
        ("address,name\n", "it lacks category"),
        ("address,name,category,colour\n", "unknown columns 'colour'"),
        ("address,name,category,name\n", "a column is there twice"),
        ("address,name,category\n", "there is no line to import"),
        (b"address,name,category\n\xff\xfe,X,exchange\n", "is not UTF-8 text"),
    ],
)
def test_a_file_that_will_not_do_is_told_why(labels: Labels, content: str | bytes, sentence: str) -> None:
    done = labels.imported(content, "--source", "me")
    assert done.exit_code == 2
    assert sentence in done.output


def test_a_file_that_is_not_there_or_no_file_is_told(labels: Labels, tmp_path: Path) -> None:
    for nowhere in (str(tmp_path / "nowhere.csv"), "/dev/null"):
        done = labels("import", nowhere, "--source", "me")
        assert done.exit_code == 2
        assert f"{nowhere} is no file" in done.output
    done = labels("import")
    assert done.exit_code == 2
    assert "give a FILE, or --shipped" in done.output


def test_a_file_that_the_user_of_the_services_may_not_read_is_to_be_put_elsewhere() -> None:
    said = unreadable(Path("/root/labels.csv"), PermissionError(EACCES, "Permission denied"))
    owner = pwd.getpwuid(os.geteuid()).pw_name
    assert said == f"/root/labels.csv cannot be read by the user {owner} (Permission denied); put it into /tmp"


def test_labels_are_counted_listed_and_removed(labels: Labels) -> None:
    labels.imported(GOOD, "--source", "me", "--asserted", "2026-01-02")
    assert labels("count").output == "me\texchange\t1\t2026-01-02\nme\tmining\t1\t2026-01-02\n"
    assert set(labels("list").output.splitlines()) == {
        f"{FIRST}\tAn Exchange\texchange\tme\t2026-01-02\t-",
        f"{SECOND}\tA Pool\tmining\tme\t2026-01-02\t-",
    }
    assert labels("list", "--source", "me").output == labels("list").output
    assert labels("remove", "--source", "me").output == "labels removed: 2\n"
    for command in ("list", "remove"):
        done = labels(command, "--source", "me")
        assert done.exit_code == 2
        assert "nobody called 'me' said anything" in done.output


def test_what_is_shipped_is_imported_on_the_main_network_and_again_changes_nothing(
    labels: Labels, database: Database
) -> None:
    done = labels("import", "--shipped")
    assert done.exit_code == 2
    assert "of the main network, and this is regtest" in done.output
    labels.environ["BITCOIN_NETWORK"] = "main"
    shipped = len(SHIPPED.read_text(encoding="utf-8").splitlines()) - 1
    assert labels("import", "--shipped").output == f"new labels: {shipped}; changed: 0; there already: 0\n"
    again = labels("import", "--shipped").output
    assert again == f"new labels: 0; changed: 0; there already: {shipped}\n"
    binance = script_of("34xp4vRoCGJym3xR7yCVPFHoCNxv4Twseo", "main")
    (label,) = DatabaseLabels(database, "main").of_scripts([binance]).values()
    assert (label.name, label.category) == ("Binance", "exchange")


def test_an_empty_table_is_filled_with_what_is_shipped_once_and_on_the_main_network_only(database: Database) -> None:
    table, shipped = DatabaseLabels(database, "main"), CsvLabelFile(SHIPPED)
    assert seed_shipped(table, shipped, Context("regtest", NOW)) == 0
    assert table.is_empty()
    assert seed_shipped(table, shipped, Context("main", NOW)) == len(list(shipped.lines()))
    first = next(iter(table.every(None)))
    table.remove(first.source)
    assert seed_shipped(table, shipped, Context("main", NOW)) == 0


def test_each_shipped_address_is_one_and_says_who_says_so_where_and_when() -> None:
    with SHIPPED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert 10 <= len(rows) <= 40
    assert len({(row["address"], row["source"]) for row in rows}) == len(rows)
    for row in rows:
        assert address_of(script_of(row["address"], "main"), "main") == row["address"]
        assert all(row.values())
        assert row["category"] == "exchange"
        # Of one version, so that what was said then can be read for ever.
        assert len(row["source_url"].split("/blob/")[1].split("/")[0]) == 40


def test_a_release_contains_what_is_shipped(request: pytest.FixtureRequest) -> None:
    spec = importlib.util.spec_from_file_location(
        "release", request.config.rootpath / "roles/release/filter_plugins/release.py"
    )
    assert spec is not None
    assert spec.loader is not None
    release = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(release)
    assert SHIPPED in release.files(request.config.rootpath)


class LongFile:
    """A file of as many lines as you like, one of which may be bad."""

    def __init__(self, count: int, bad: int | None = None) -> None:
        self._count = count
        self.bad = bad

    def lines(self) -> Iterator[Line]:
        for number in range(self._count):
            address = address_of(b"\x00\x14" + number.to_bytes(20, "big"), "regtest")
            yield Line(
                number + 2, {"address": "" if number == self.bad else address, "name": "X", "category": "exchange"}
            )


class ForgetfulLabels(DatabaseLabels):
    """Takes everything, and keeps nothing."""

    def keep(self, labels: Sequence[KnownAddress], now: datetime) -> Counts:  # noqa: ARG002 - of the port
        return Counts(len(labels), 0, 0)


def test_a_long_file_takes_no_more_memory_than_a_short_one(database: Database) -> None:
    work = LabelImport(LongFile(20_000), Context("regtest", NOW, "me"))
    tracemalloc.start()
    assert work.check().good == 20_000
    assert work.write(ForgetfulLabels(database, "regtest")) == Counts(20_000, 0, 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_a_file_that_changes_meanwhile_is_noticed(database: Database) -> None:
    file = LongFile(3_000)
    work = LabelImport(file, Context("regtest", NOW, "me"))
    assert work.check().bad == 0
    file.bad = 2_500
    with pytest.raises(FileChangedError, match="do it again"):
        work.write(ForgetfulLabels(database, "regtest"))
