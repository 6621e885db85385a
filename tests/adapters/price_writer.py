"""Record prices in the database at a URL without end, and say the event id of each when it is safe."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import count

from app.adapters.database.engine import open_database
from app.adapters.database.prices import DatabasePriceHistory
from app.domain.price.comparison import PriceComparison


def main(url: str, first_slot: int) -> None:
    history = DatabasePriceHistory(open_database(url), lambda: None)
    for slot in count(first_slot):
        comparison = PriceComparison(
            timestamp=datetime(2020, 1, 1, tzinfo=UTC) + slot * timedelta(minutes=10),
            utxoracle_price=10_000.0 + slot,
            exchange_price=10_000.0,
            is_valid=True,
        )
        event_id = history.record(comparison, datetime.now(UTC))
        sys.stdout.write(f"{event_id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
