"""utxoracle-detector.service: sees whales in the node's mempool, and follows them to their end."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import socket
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from app.adapters.bitcoind_mempool import mempool_node
from app.adapters.database.engine import open_database
from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.adapters.database.labels import DatabaseLabels
from app.adapters.database.scores import DatabaseScores
from app.adapters.database.whales import DatabaseWhales
from app.adapters.doorbell import UnixDoorbell
from app.adapters.freed_memory import give_back_freed_memory
from app.adapters.journal import configure_logging
from app.adapters.label_file import SHIPPED, CsvLabelFile, LabelFileError
from app.adapters.machine import LocalMachine
from app.adapters.mempool_stream import ZmqMempoolStream
from app.adapters.sd_notify import Systemd
from app.config import load as configuration
from app.domain.whales.accuracy import AccuracyRule
from app.services.block_source import OnchainPriceError
from app.services.storage import StorageError
from app.services.whales.clocks import Clocks
from app.services.whales.condition import Condition
from app.services.whales.detector import Detector
from app.services.whales.first_contact import WrongNetworkError, first_contact
from app.services.whales.label_lines import Context
from app.services.whales.labelling import FileChangedError, seed_shipped
from app.services.whales.limits import DetectorLimits
from app.services.whales.listening import OFF, Listening, stream_addresses
from app.services.whales.scores import Scores
from app.services.whales.watching import SignOfLife, Watching

if TYPE_CHECKING:
    from app.adapters.database.engine import Database
    from app.config.declaration import Settings
    from app.domain.mempool.outlook import Outlook
    from app.services.whales.mempool_node import MempoolNode

_log = logging.getLogger("utxoracle-detector")

_SAT_PER_BTC = 100_000_000
_MB = 1_000_000
_AGAIN_SECONDS = 1.0


class Stopping:
    """Becomes true at SIGTERM or SIGINT; looked at between two turns."""

    def __init__(self) -> None:
        self.is_told = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told)

    def _told(self, *_: object) -> None:
        self.is_told = True


def contact(node: MempoolNode, network: str, sign_of_life: SignOfLife, stopping: Stopping) -> Outlook | None:
    """Return what the node says at first, as soon as it says anything; None when told to stop before.

    Raises:
        WrongNetworkError: It is another network's.
    """
    # An odd number of 64 bits, so that nobody can choose txids that crowd one place of the table.
    multiplier = random.SystemRandom().getrandbits(63) * 2 + 1
    condition = Condition()
    while not stopping.is_told:
        try:
            return first_contact(node, network, multiplier, partial(sign_of_life.give, condition))
        except OnchainPriceError as error:
            if condition.set("node", str(error)):
                _log.warning("the detector waits", extra={"for": "node", "reason": str(error)})
        sign_of_life.give(condition)
        time.sleep(_AGAIN_SECONDS)
    return None


def learn_shipped_labels(database: Database, network: str) -> None:
    """Learn the addresses that come with the release, if none are known."""
    context = Context(network, datetime.now(UTC))
    try:
        learned = seed_shipped(DatabaseLabels(database, network), CsvLabelFile(SHIPPED), context)
    except (StorageError, LabelFileError, FileChangedError) as error:
        # Without them whales are found all the same.
        _log.warning("the labels of the release could not be learned", extra={"reason": str(error)})
    else:
        _log.debug("labels learned", extra={"addresses": learned})


def watching(  # noqa: PLR0913, PLR0917 - what main has made, and nothing is left out
    settings: Settings,
    directories: configuration.Directories,
    database: Database,
    node: MempoolNode,
    outlook: Outlook,
    sign_of_life: SignOfLife,
) -> Watching:
    """Return the detector that these settings describe, with all that it needs."""
    wanted = {"rawtx": settings.zmq_rawtx_url, "sequence": settings.zmq_sequence_url}
    is_stream_wanted = OFF not in wanted.values()
    clocks, ring = Clocks(), UnixDoorbell(directories.doorbell).ring
    rule = AccuracyRule(settings.accuracy_warning, settings.accuracy_critical)
    return Watching(
        detector=Detector(
            node=node,
            store=DatabaseWhales(database, ring),
            labels=DatabaseLabels(database, settings.bitcoin_network),
            outlook=outlook,
            limits=DetectorLimits(threshold_sat=round(settings.whale_threshold_btc * _SAT_PER_BTC)),
            clocks=clocks,
            is_stream_wanted=is_stream_wanted,
        ),
        stream=Listening(
            partial(stream_addresses, node, wanted),
            ZmqMempoolStream,
            clocks,
            time.sleep,
            is_wanted=is_stream_wanted,
        ),
        scores=Scores(DatabaseScores(database, ring, rule)),
        sign_of_life=sign_of_life,
        clocks=clocks,
        give_back=give_back_freed_memory,
        used_bytes=LocalMachine(directories.state).process_bytes,
        limit_bytes=settings.memory_limit_mb * _MB,
    )


def main() -> int:
    """Watch until told to stop, then return 0; without usable settings, or on another network, leave with 78."""
    settings = configuration.load_or_exit(os.environ)
    configure_logging(settings.log_level)
    directories = configuration.Directories.of(os.environ)
    stopping, supervisor = Stopping(), Systemd.take_over(os.environ)
    database = open_database(configuration.database_url(settings, directories))
    sign_of_life = SignOfLife(DatabaseHeartbeats(database), supervisor, socket.gethostname(), Clocks())
    node = mempool_node(
        settings.bitcoin_rpc_url,
        settings.bitcoin_rpc_cookie_file,
        settings.bitcoin_rpc_user,
        settings.bitcoin_rpc_password,
    )
    supervisor.ready()
    try:
        outlook = contact(node, settings.bitcoin_network, sign_of_life, stopping)
    except WrongNetworkError as error:
        _log.error("the settings are wrong", extra={"reason": str(error)})
        return configuration.EXIT_CONFIGURATION
    if outlook is not None:
        learn_shipped_labels(database, settings.bitcoin_network)
        with closing(watching(settings, directories, database, node, outlook, sign_of_life)) as work:
            # What is there by now stays; to look through it for garbage again and again delays alerts by 25 ms.
            gc.collect()
            gc.freeze()
            _log.info("watching", extra={"threshold_btc": settings.whale_threshold_btc})
            while not stopping.is_told:
                work.turn()
    supervisor.stopping()
    return configuration.EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
