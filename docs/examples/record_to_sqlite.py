"""Record the stream in a SQLite file, every event exactly once, even if this is killed; queries are in README.md.

python record_to_sqlite.py https://node.example:8443 whales.db --cafile certificate.pem --user watcher
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from node_arguments import add_node_arguments, follow
from whale_stream import Position, RefusedError

if TYPE_CHECKING:
    from whale_stream import Message

TABLES = """
-- In the order in which they came. Where `type` is resync_required, events before the next row are missing.
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, type TEXT NOT NULL, event_id INTEGER, txid TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_of_a_whale ON messages (txid, id);
CREATE TABLE IF NOT EXISTS place (
    id INTEGER PRIMARY KEY CHECK (id = 1), log_identity TEXT NOT NULL, last_event_id INTEGER NOT NULL
);
-- Each whale as it was first seen, with what has become of it so far.
CREATE VIEW IF NOT EXISTS whales AS
SELECT
    txid,
    body ->> 'detected_at' AS detected_at,
    body ->> 'btc_value' AS btc_value,
    body ->> 'flow_type' AS flow_type,
    body ->> 'kind' AS kind,
    body ->> 'fee_rate' AS fee_rate,
    body ->> 'predicted_block' AS predicted_block,
    (SELECT body ->> 'status' FROM messages AS later WHERE later.txid = first.txid ORDER BY id DESC LIMIT 1) AS status,
    (SELECT body ->> 'block_height' FROM messages AS later WHERE later.txid = first.txid ORDER BY id DESC LIMIT 1)
        AS block_height
FROM messages AS first
WHERE id IN (SELECT min(id) FROM messages WHERE type = 'whale_alert' GROUP BY txid);
"""


class Recording:
    """Messages and the place in the log, written together: so neither is ever ahead of the other."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(TABLES)

    def add(self, message: Message) -> None:
        """Record a message, for good when its position is written."""
        self._connection.execute(
            "INSERT INTO messages (type, event_id, txid, body) VALUES (?, ?, ?, ?)",
            (message["type"], message.get("event_id"), message.get("txid"), json.dumps(message)),
        )

    def read(self) -> Position | None:
        """Return the position to go on from."""
        row = self._connection.execute("SELECT log_identity, last_event_id FROM place").fetchone()
        return Position(*row) if row else None

    def write(self, position: Position) -> None:
        """Commit what was recorded up to `position`, and that."""
        self._connection.execute(
            "INSERT OR REPLACE INTO place VALUES (1, ?, ?)", (position.log_identity, position.last_event_id)
        )
        self._connection.commit()


def main() -> None:
    """Record until interrupted; exit 2 when the node refuses, or the file cannot be written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_node_arguments(parser)
    parser.add_argument("file", help="the database; it is made if it is not there")
    arguments = parser.parse_args()
    try:
        with closing(sqlite3.connect(arguments.file)) as connection:
            recording = Recording(connection)
            for message in follow(arguments, bookmark=recording):
                if message["type"] != "connection":
                    recording.add(message)
    except RefusedError as error:
        parser.exit(2, f"{error}\n")
    except sqlite3.Error as error:
        parser.exit(2, f"{arguments.file}: {error}\n")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
