"""utxoracle-integration.service: one price comparison."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from app.adapters.bitcoind import block_source
from app.adapters.database.engine import open_database
from app.adapters.database.prices import DatabasePriceHistory
from app.adapters.doorbell import UnixDoorbell
from app.adapters.journal import configure_logging
from app.adapters.mempool import MempoolExchangeRate
from app.adapters.run_lock import RunLockError, only_run
from app.adapters.time_limit import TimeLimitError, within
from app.config import load as configuration
from app.services.block_source import NodeUnreachableError
from app.services.comparison import PriceRun
from app.services.judgement import Limits
from app.services.onchain_price import estimate_recent
from app.services.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config.declaration import Settings
    from app.services.onchain_price import OnchainPrice
    from app.services.price_history import PriceHistory

_log = logging.getLogger("utxoracle-integration")

# A cold window takes seconds. systemd kills a run after 9 minutes (TimeoutStartSec), and its row would be lost.
PATIENCE_SECONDS = 8 * 60.0


def in_time(estimate: Callable[[], OnchainPrice]) -> OnchainPrice:
    """Return what `estimate` returns; raise NodeUnreachableError when the node is too slow for a run."""
    try:
        return within(PATIENCE_SECONDS, estimate)
    except TimeLimitError as error:
        raise NodeUnreachableError(
            f"bitcoind did not give the blocks of the window in time ({error}); is it, or its disk, overloaded?"
        ) from error


def price_run(settings: Settings, history: PriceHistory) -> PriceRun:
    """Return the run that these settings describe; nothing is asked yet."""
    blocks = block_source(
        settings.bitcoin_rpc_url,
        settings.bitcoin_rpc_cookie_file,
        settings.bitcoin_rpc_user,
        settings.bitcoin_rpc_password,
    )
    estimate = partial(
        estimate_recent,
        blocks,
        settings.bitcoin_network,
        window_blocks=settings.onchain_window_blocks,
        min_confirmations=settings.onchain_min_confirmations,
    )
    return PriceRun(
        estimate=partial(in_time, estimate),
        rate=MempoolExchangeRate(settings.mempool_api_url) if settings.exchange_comparison_enabled else None,
        history=history,
        limits=Limits(
            settings.min_price_usd, settings.max_price_usd, timedelta(seconds=settings.price_max_age_seconds)
        ),
        clock=partial(datetime.now, UTC),
    )


def main() -> int:
    """Do one run; return 0 when it was done, 2 when it failed. Unusable settings end in 78, a crash in 1."""
    settings = configuration.load_or_exit(os.environ)
    configure_logging(settings.log_level)
    directories = configuration.Directories.of(os.environ)
    try:
        database = open_database(configuration.database_url(settings, directories))
        history = DatabasePriceHistory(database, UnixDoorbell(directories.doorbell).ring)
        with only_run(directories.state / "integration.lock"):
            run = price_run(settings, history).run()
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
            "exchange_price": kept.exchange_price,
            "difference_percent": kept.difference_percent,
            "block_height": kept.block_height,
            "block_source": kept.block_source,
            "is_valid": kept.is_valid,
            "invalid_reason": kept.invalid_reason,
        },
    )
    return configuration.EXIT_FAILED if run.failure else configuration.EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
