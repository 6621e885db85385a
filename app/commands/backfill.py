"""`utxoracle backfill`: prices of blocks that lack one."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import click

from app.commands.blocks import blocks_of
from app.commands.failure import FailedError
from app.config import load as configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.adapters.database.engine import Database
    from app.config.declaration import Settings
    from app.services.backfill import Backfill, Filled
    from app.services.gaps import Gaps, Span
    from app.services.onchain_price import OnchainPrice

_DEFAULT_SPAN = timedelta(days=30)
# Each of two processes begins with a window of its own.
_WORTH_WORKERS = 288
# Heights for one of them at a time, in windows.
_STRETCH_WINDOWS = 3
# Without a terminal: a line for so many gaps.
_TOLD_EVERY = 100


class _Moment(click.ParamType[datetime]):
    """A UTC day, or a time with its offset."""

    name = "date"

    def __init__(self, *, is_end: bool = False) -> None:
        self._is_end = is_end

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the aware time; of a day its beginning, or its end."""
        try:
            day = date.fromisoformat(value)
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return moment + timedelta(days=1) if self._is_end else moment
        except (ValueError, OverflowError):
            pass
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        return self.fail(
            f"{value!r} is neither a day, as 2026-01-31, nor a time with its offset, as 2026-01-31T12:00Z", param, ctx
        )


@click.command()
@click.option(
    "--from", "start", type=_Moment(), metavar="TIME", help="First UTC day, or time. Default: the first row's."
)
@click.option(
    "--to", "end", type=_Moment(is_end=True), metavar="TIME", help="Last UTC day, or time before which. Default: now."
)
@click.option("--dry-run", is_flag=True, help="Only say what is missing.")
@click.option("--retry-invalid", is_flag=True, help="Also what was tried before and gave no price.")
@click.pass_obj
def backfill(
    environ: dict[str, str], *, start: datetime | None, end: datetime | None, dry_run: bool, retry_invalid: bool
) -> None:
    """Estimate the prices of blocks that have none, each from what was known at its time.

    Interrupted or killed, it goes on where it was when it is started again. Without rows it begins 30 days ago.
    """
    from app.adapters.database.engine import open_database  # noqa: PLC0415 - as in app.commands
    from app.adapters.estimate_workers import WorkerLostError  # noqa: PLC0415
    from app.adapters.journal import configure_logging  # noqa: PLC0415
    from app.adapters.run_lock import RunLockError, only_run  # noqa: PLC0415
    from app.services.block_source import OnchainPriceError  # noqa: PLC0415
    from app.services.storage import StorageError  # noqa: PLC0415

    settings = configuration.load_or_exit(environ)
    # What goes wrong on the way is told in the words of the timer's runs.
    configure_logging("WARNING")
    directories = configuration.Directories.of(environ)
    try:
        with (
            open_database(configuration.database_url(settings, directories)) as database,
            only_run(directories.state / "backfill.lock"),
        ):
            span = _span(database, start, end)
            gaps = _gaps(settings, directories.state, database, span, retry_invalid=retry_invalid)
            click.echo(_about(gaps, span))
            if gaps and not dry_run:
                _tell(_filled(settings, directories, database, gaps), len(gaps))
    except (StorageError, OnchainPriceError, RunLockError, WorkerLostError) as error:
        raise FailedError(str(error)) from error


def _span(database: Database, start: datetime | None, end: datetime | None) -> Span:
    """Return the slots that are asked for, without the present one and later ones, which live runs fill."""
    from app.adapters.database.prices import DatabasePriceHistory  # noqa: PLC0415
    from app.domain.price.comparison import slot_of  # noqa: PLC0415
    from app.services.gaps import Span  # noqa: PLC0415

    now = datetime.now(UTC)
    if start is None:
        known = DatabasePriceHistory(database, lambda: None).span()
        start = known[0] if known is not None else now - _DEFAULT_SPAN
    last = slot_of(now)
    span = Span(start, last if end is None else min(end, last))
    if end is not None and start >= end:
        raise FailedError(
            f"--from {start.isoformat()} is not before the end of the range, {end.isoformat()}; is --to right?"
        )
    if span.start >= span.end:
        raise FailedError(f"there is no slot from {span.start.isoformat()} to {span.end.isoformat()} that is over")
    return span


def _gaps(settings: Settings, state: Path, database: Database, span: Span, *, retry_invalid: bool) -> Gaps:
    from app.adapters.database.price_gaps import DatabaseKnownRows  # noqa: PLC0415
    from app.services.gaps import find_gaps  # noqa: PLC0415

    return find_gaps(
        blocks_of(settings, state),
        DatabaseKnownRows(database),
        span,
        min_confirmations=settings.onchain_min_confirmations,
        retry_invalid=retry_invalid,
    )


def _about(gaps: Gaps, span: Span) -> str:
    days = sorted(gaps.empty_days)
    start, end = (each.isoformat(timespec="minutes") for each in (span.start, span.end))
    about = f"from {start} to {end}: {len(gaps)} blocks without a price"
    if days:
        about += f"\nUTC days without any price: {len(days)}, from {days[0]} to {days[-1]}"
    return about


def _filled(settings: Settings, directories: configuration.Directories, database: Database, gaps: Gaps) -> Filled:
    from app.services.backfill import kept_windows  # noqa: PLC0415

    search = kept_windows(blocks_of(settings, directories.state), settings.onchain_window_blocks)
    with _until_interrupted() as keep_going, _progress(len(gaps)) as progress:
        return _the_backfill(settings, directories, database, len(gaps)).fill(
            gaps, search=search, keep_going=lambda _: keep_going(), progress=progress
        )


def _the_backfill(
    settings: Settings, directories: configuration.Directories, database: Database, count: int
) -> Backfill:
    from app.adapters.database.prices import DatabasePriceHistory  # noqa: PLC0415
    from app.adapters.doorbell import UnixDoorbell  # noqa: PLC0415
    from app.adapters.estimate_workers import WORKERS, EstimateWorkers  # noqa: PLC0415
    from app.adapters.mempool_history import MempoolRateHistory  # noqa: PLC0415
    from app.services.backfill import Backfill, one_by_one  # noqa: PLC0415
    from app.services.judgement import Limits  # noqa: PLC0415

    max_age = timedelta(seconds=settings.price_max_age_seconds)
    make = partial(estimator, settings, directories.state)
    stretch = min(_STRETCH_WINDOWS * settings.onchain_window_blocks, -(-count // WORKERS))
    return Backfill(
        EstimateWorkers(make, stretch) if count >= _WORTH_WORKERS else one_by_one(make()),
        MempoolRateHistory(settings.mempool_api_url, max_age) if settings.exchange_comparison_enabled else None,
        # Without a rule for divergence: what was long ago alarms nobody.
        DatabasePriceHistory(database, UnixDoorbell(directories.doorbell).ring),
        Limits(settings.min_price_usd, settings.max_price_usd, settings.confidence_threshold, max_age),
        partial(datetime.now, UTC),
    )


def estimator(settings: Settings, state: Path) -> Callable[[int], OnchainPrice]:
    """Return what estimates the window up to a height; made anew in each process."""
    from app.adapters.extract_files import kept_extracts  # noqa: PLC0415
    from app.adapters.extract_memory import MemoryExtracts  # noqa: PLC0415
    from app.services.onchain_price import estimate_at  # noqa: PLC0415

    return partial(
        estimate_at,
        blocks_of(settings, state),
        settings.bitcoin_network,
        window_blocks=settings.onchain_window_blocks,
        kept=MemoryExtracts(
            settings.onchain_window_blocks,
            kept_extracts(state, settings.bitcoin_network, settings.onchain_window_blocks),
        ),
    )


@contextmanager
def _until_interrupted() -> Iterator[Callable[[], bool]]:
    """Give what says whether to go on: a first SIGINT or SIGTERM lets the present row be finished."""
    interrupted = False

    def note(number: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: not interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Give what shows how much is done and how long the rest takes: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        with click.progressbar(length=total, show_pos=True, file=sys.stderr) as bar:
            yield bar.update
        return
    began, done = time.monotonic(), 0

    def tell(count: int) -> None:
        nonlocal done
        before, done = done, done + count
        if done // _TOLD_EVERY > before // _TOLD_EVERY and done < total:
            left = timedelta(seconds=round((time.monotonic() - began) / done * (total - done)))
            click.echo(f"{done} of {total} done, about {left} left", err=True)

    yield tell


def _tell(filled: Filled, total: int) -> None:
    """Say what became of the gaps; raise FailedError when a further try has something to do."""
    click.echo(f"{filled.valid} filled with a price, {filled.invalid} with the reason why there is none")
    if filled.lost:
        click.echo(f"{filled.lost} are lost: the node is pruned, and no other source has their blocks")
    if filled.stopped_by is not None:
        raise FailedError(f"stopped with {filled.left} left: {filled.stopped_by}; start it again to go on")
    if filled.left:
        raise FailedError(f"interrupted with {filled.left} of {total} left; start it again to go on")
    if filled.passed_over:
        raise FailedError(f"{filled.passed_over} were passed over, see above; start it again to try them once more")
