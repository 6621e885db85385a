"""What electrs and mempool see waiting at a real bitcoind, beside what a real detector sees there."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from app.adapters.database.heartbeats import DatabaseHeartbeats
from app.adapters.database.mempool_record import DatabaseMempoolRecord
from app.adapters.probes import EsploraProbe, MempoolProbe
from app.domain.mempool.sight import MempoolSight
from app.services.detector_report import DetectorView
from app.services.detector_sight import DetectorSight
from app.services.mempool_cross_check import CrossCheck
from tests.fakes.http_serving import server_of, serving
from tests.node.programs.electrs_standin.__main__ import Esplora
from tests.node.programs.mempool_standin.__main__ import Mempool
from tests.node.programs.price_path import PricePath
from tests.whales.watched import WHALE_SAT, Watched

WHALES = 3


def test_all_three_see_the_same_mempool(it: Watched) -> None:
    database, clock = it.appliance.database, partial(datetime.now, UTC)
    detector = DetectorSight(DetectorView(DatabaseHeartbeats(database), clock), DatabaseMempoolRecord(database), clock)
    for _ in range(WHALES):
        it.alert(it.whales.send(WHALE_SAT).txid)
    waits = it.appliance.node.call("getmempoolinfo")
    expected = MempoolSight(waits["size"], waits["bytes"])
    assert expected.transaction_count >= WHALES
    # It writes down what it sees every ten seconds.
    it.appliance.until(lambda: detector.now() == expected, f"the detector to write down that it sees {expected}")
    rpc = it.appliance.node.rpc
    with (
        serving(server_of(Esplora(rpc).routes())) as electrs,
        serving(server_of(Mempool(rpc, PricePath(1, 60_000.0)).routes())) as mempool,
    ):
        cross_check = CrossCheck(detector.now)
        remark = f"sees {waits['size']} waiting transactions, the detector {waits['size']}"
        assert cross_check.check("electrs", EsploraProbe(electrs)).endswith(remark)
        assert cross_check.check("mempool", MempoolProbe(mempool)) == f"mempool 3.4-dev, {remark}"
    assert cross_check.doubt() == ""
