"""utxoracle-integration.service: one price comparison."""

from __future__ import annotations

import logging
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from app.adapters.block_sources import Upstreams, tiered_blocks
from app.adapters.database.engine import open_database
from app.adapters.database.events import DatabaseEventLog
from app.adapters.database.price_gaps import DatabaseKnownRows
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.doorbell import UnixDoorbell
from app.adapters.extract_files import kept_extracts
from app.adapters.extract_memory import MemoryExtracts
from app.adapters.healed_mark import FileHealedMark
from app.adapters.journal import configure_logging
from app.adapters.json_rate import json_source
from app.adapters.mempool import MempoolExchangeRate
from app.adapters.mempool_history import MempoolRateHistory
from app.adapters.proving_processes import PROVERS, proving_processes
from app.adapters.run_lock import AlreadyRunningError, RunLockError, only_run
from app.adapters.spool import FileSpool
from app.adapters.time_limit import TimeLimitError, within
from app.config import load as configuration
from app.domain.price.divergence import DivergenceRule
from app.services.backfill import Backfill, kept_windows, one_by_one
from app.services.block_source import NodeUnreachableError, OnchainPriceError
from app.services.comparison import PriceRun
from app.services.healing import Healing
from app.services.judgement import Limits
from app.services.onchain_price import estimate_at, estimate_recent
from app.services.rate_survey import RateSurvey, Source
from app.services.spooled_history import SpooledPriceHistory
from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.adapters.database.engine import Database
    from app.config.declaration import Settings
    from app.services.block_source import FallbackBlockSource
    from app.services.onchain_price import OnchainPrice
    from app.services.price_history import PriceHistory

_log = logging.getLogger("utxoracle-integration")

# A cold window takes seconds. systemd kills a run after 9 minutes (TimeoutStartSec), and its row would be lost.
PATIENCE_SECONDS = 8 * 60.0
# After a live run that took longer nothing is healed: the next slot comes first.
QUICK_SECONDS = 2 * 60.0
HEALING_PATIENCE_SECONDS = 2 * 60.0


def in_time(estimate: Callable[[], OnchainPrice], patience_seconds: float | None = None) -> OnchainPrice:
    """Return what `estimate` returns; raise NodeUnreachableError when the node is too slow for a run."""
    try:
        return within(patience_seconds or PATIENCE_SECONDS, estimate)
    except TimeLimitError as error:
        raise NodeUnreachableError(
            f"bitcoind did not give the blocks of the window in time ({error}); is it, or its disk, overloaded?"
        ) from error


def blocks_of(settings: Settings, state_directory: Path) -> FallbackBlockSource:
    """Return the sources of blocks that these settings allow; nothing is asked yet."""
    return tiered_blocks(Upstreams.among(settings), state_directory, partial(datetime.now, UTC))


def price_run(settings: Settings, history: PriceHistory, state_directory: Path) -> PriceRun:
    """Return the run that these settings describe; nothing is asked yet."""
    clock = partial(datetime.now, UTC)
    blocks = blocks_of(settings, state_directory)
    estimate = partial(
        estimate_recent,
        blocks,
        settings.bitcoin_network,
        window_blocks=settings.onchain_window_blocks,
        min_confirmations=settings.onchain_min_confirmations,
        kept=kept_extracts(state_directory, settings.bitcoin_network, settings.onchain_window_blocks),
        provers=partial(proving_processes, PROVERS),
    )
    return PriceRun(
        estimate=partial(in_time, estimate),
        rates=rate_survey(settings, clock) if settings.exchange_comparison_enabled else None,
        history=history,
        limits=Limits(
            settings.min_price_usd,
            settings.max_price_usd,
            settings.confidence_threshold,
            timedelta(seconds=settings.price_max_age_seconds),
        ),
        clock=clock,
    )


def rate_survey(settings: Settings, clock: Callable[[], datetime]) -> RateSurvey:
    """Return what asks for the exchange rate: the node's own mempool first, then those that the operator named."""
    own = Source("mempool", MempoolExchangeRate(settings.mempool_api_url))
    return RateSurvey([own, *map(json_source, settings.rate_sources)], clock)


def heal(settings: Settings, directories: configuration.Directories, database: Database) -> None:
    """Fill some of the gaps since the first live row; a run never fails for their sake."""
    state, window_blocks = directories.state, settings.onchain_window_blocks
    max_age = timedelta(seconds=settings.price_max_age_seconds)
    # A gap can wait, and a source that hangs would take all of the time there is.
    blocks, clock = blocks_of(settings, state).sparing(), partial(datetime.now, UTC)
    kept = MemoryExtracts(window_blocks, kept_extracts(state, settings.bitcoin_network, window_blocks))
    estimate = partial(estimate_at, blocks, settings.bitcoin_network, window_blocks=window_blocks, kept=kept)
    backfill = Backfill(
        one_by_one(lambda height: in_time(partial(estimate, height), HEALING_PATIENCE_SECONDS)),
        MempoolRateHistory(settings.mempool_api_url, max_age) if settings.exchange_comparison_enabled else None,
        DatabasePriceHistory(database, UnixDoorbell(directories.doorbell).ring),
        Limits(settings.min_price_usd, settings.max_price_usd, settings.confidence_threshold, max_age),
        clock,
    )
    mark = FileHealedMark(state / "healed.json", DatabaseEventLog(database).identity)
    healing = Healing(blocks, DatabaseKnownRows(database), backfill, mark, settings.onchain_min_confirmations)
    try:
        with only_run(state / "backfill.lock"):
            healing.run(clock(), kept_windows(blocks, window_blocks))
    except AlreadyRunningError:
        _log.debug("gaps are left to the backfill that is under way")
    except (OnchainPriceError, StorageError, RunLockError) as error:
        _log.warning("gaps could not be filled", extra={"reason": str(error)})
    except Exception:  # noqa: BLE001 - the row is there, and says what the run was worth
        _log.exception("gaps could not be filled")


def main() -> int:
    """Do one run; return 0 when it was done, 2 when it failed. Unusable settings end in 78, a crash in 1."""
    settings = configuration.load_or_exit(os.environ)
    configure_logging(settings.log_level)
    directories = configuration.Directories.of(os.environ)
    began = time.monotonic()
    try:
        database = open_database(configuration.database_url(settings, directories))
        divergence = DivergenceRule(settings.divergence_alert_percent)
        history = SpooledPriceHistory(
            DatabasePriceHistory(database, UnixDoorbell(directories.doorbell).ring, divergence),
            FileSpool(directories.state / "spool"),
        )
        with only_run(directories.state / "integration.lock"):
            history.begin(datetime.now(UTC))
            run = price_run(settings, history, directories.state).run()
    except (RunLockError, StorageError) as error:
        # Expected ways to fail: the sentence is for the operator, a traceback would hide it.
        _log.error("the run failed", extra={"reason": str(error)})
        return configuration.EXIT_FAILED
    kept = run.comparison
    _log.info(
        "price compared",
        extra={
            "slot": kept.timestamp.isoformat(),
            "utxoracle_price": kept.utxoracle_price,
            "band_low": kept.band_low,
            "band_high": kept.band_high,
            "confidence": kept.confidence,
            "exchange_price": kept.exchange_price,
            "difference_percent": kept.difference_percent,
            "block_height": kept.block_height,
            "block_source": kept.block_source,
            "is_valid": kept.is_valid,
            "invalid_reason": kept.invalid_reason,
        },
    )
    if run.failure:
        return configuration.EXIT_FAILED
    if time.monotonic() - began < QUICK_SECONDS:
        heal(settings, directories, database)
    return configuration.EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
