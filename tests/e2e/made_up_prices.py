"""A history that no demonstration node has, given to a page in place of the appliance's answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

SLOT = timedelta(minutes=10)


@dataclass
class MadeUpPrices:
    """Rows by how many slots ago they are; `install` makes a page see them, and events that are told to it."""

    rows: dict[int, dict[str, Any]]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    socket: WebSocketRoute | None = None

    def install(self, page: Page) -> None:
        page.route(re.compile("/api/prices/latest"), self._latest)
        page.route(re.compile("/api/prices/historical"), self._historical)
        page.route_web_socket(re.compile("/ws/whales$"), self._stream)

    def row(self, slots_ago: int) -> dict[str, Any]:
        """Return all fields of a row; a field that is given wins over the usual one."""
        given = self.rows[slots_ago]
        at = datetime.fromtimestamp(self.now.timestamp() // 600 * 600, UTC) - slots_ago * SLOT
        usual: dict[str, Any] = {
            "timestamp": at.isoformat(),
            "source": "live",
            "utxoracle_price": 100_000.0,
            "band_low": 99_600.0,
            "band_high": 100_400.0,
            "confidence": 0.76,
            "exchange_price": 99_000.0,
            "difference": 1000.0,
            "difference_percent": 1.0,
            "block_height": 900_000,
            "block_hash": "00" * 32,
            "is_valid": True,
            "invalid_reason": None,
        }
        return usual | given

    def tell(self, slots_ago: int, **fields: object) -> None:
        """Add a row, and send its event to the page."""
        self.rows[slots_ago] = fields
        assert self.socket is not None
        self.socket.send(json.dumps({"type": "price_update", "event_id": 1000} | self.row(slots_ago)))

    def _latest(self, route: Route) -> None:
        newest, *_ = slots = sorted(self.rows)
        row = self.row(newest)
        valid = [self.row(each) for each in slots if self.row(each)["is_valid"]]
        age = self.now - datetime.fromisoformat(row["timestamp"])
        last_valid = valid[0] if valid and not row["is_valid"] else None
        more = {"age_seconds": age.total_seconds(), "stale": age > 3 * SLOT, "last_valid": last_valid}
        route.fulfill(json=row | more)

    def _historical(self, route: Route) -> None:
        rows = [self.row(each) for each in sorted(self.rows, reverse=True)]
        route.fulfill(json={"columns": {name: [row[name] for row in rows] for name in self.row(min(self.rows))}})

    def _stream(self, socket: WebSocketRoute) -> None:
        self.socket = socket
        answers = {
            "auth": {"type": "welcome", "log_identity": "made up", "last_event_id": 999},
            "subscribe": {"type": "connection", "status": "subscribed", "reason": None},
        }
        socket.on_message(lambda text: socket.send(json.dumps(answers[json.loads(text)["type"]])))
