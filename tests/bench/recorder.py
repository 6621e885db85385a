"""Records a real bitcoind on whose chain the generator lives; what was recorded before is used again."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import msgspec
import zmq

from app.adapters.bitcoind_credentials import credentials_of
from app.adapters.bitcoind_rpc import RPC_INVALID_ADDRESS_OR_KEY, RpcClient
from app.adapters.bitcoind_transport import BitcoindTransport
from app.adapters.http_answer import Bounds
from app.adapters.lean_http import LeanHttp
from app.domain.whales.parts import outpoint_of, read_parts
from app.domain.whales.worth_a_look import is_worth_a_look
from tests.bench import recording as recording_module
from tests.bench.recording import RAWTX, SEQUENCE, Block, Duration, Frame, Recording, Template, is_added, save
from tests.fakes.published import CHECKOUT
from tests.node.bitcoind import Bitcoind, free_port, regtest_bitcoind
from tests.node.lively_chain import LivelyChain
from tests.node.programs.life.pace import Pace
from tests.node.programs.life.record import Record
from tests.node.programs.life.whales import NoCoinsError
from tests.whales.record import read_record, whales

_SAT_PER_BTC = 100_000_000
_KEPT = CHECKOUT / ".make" / "bench"
_STEP_SECONDS = 0.05
_KNOWN_BLOCKS = 30
_LEAST_PAYMENTS = 20
# The most that a whale moves, in multiples of what it has to; and how much more than that people have for it.
_LARGEST, _SPARE = 1.02, 1.1
_TEMPLATE_SECONDS = 10.0
_BATCH = 200
_QUEUE_MESSAGES = 100_000
_TIMED_ROUNDS = 5
_QUIET_SECONDS = 0.5
_LAST_WORD_SECONDS = 10.0
_TEMPLATE_RULES = {"rules": ["segwit", "signet"]}
# Enough for a template of a full block in JSON.
_BOUNDS = Bounds(2, 60, 100_000_000)

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is recorded.

    Attributes:
        seconds: How long.
        per_second: Transactions.
        share_whales: Of all transactions, those that are whales.
        threshold_btc: What a whale moves.
        waiting: Transactions in the mempool at the beginning.
        block_after: Seconds after which a block is mined; 0 for none.
    """

    seconds: float = 60
    per_second: float = 200
    share_whales: float = 1 / 250
    threshold_btc: float = 30
    waiting: int = 2_000
    block_after: float = 25

    @property
    def pace(self) -> Pace:
        """How the generator has to live; it holds back above four blocks' worth of what waits."""
        most = int(self.waiting + self.seconds * self.per_second)
        return Pace(
            max(_LEAST_PAYMENTS, most // 2),
            600,
            share_whales=self.share_whales,
            whale_btc=(self.threshold_btc, _LARGEST * self.threshold_btc),
        )


def recorded(scene: Scene, progress: Progress) -> Path:
    """Return the file of a recording of `scene`: the one that is kept, unless what makes it has changed."""
    sources = b"".join(Path(str(module)).read_bytes() for module in (__file__, recording_module.__file__))
    of_scene, of_sources = (hashlib.sha256(each).hexdigest()[:12] for each in (repr(astuple(scene)).encode(), sources))
    kept = _KEPT / f"recording-{of_scene}-{of_sources}.bin"
    if not kept.exists():
        for older in _KEPT.glob(f"recording-{of_scene}-*.bin"):
            older.unlink()
        save(record(scene, progress), kept)
    return kept


def record(scene: Scene, progress: Progress) -> Recording:
    """Return a new recording."""
    address = f"tcp://127.0.0.1:{free_port()}"
    # As an appliance's bitcoind publishes: at one address, so that everything comes in order.
    publishing = [f"-zmqpub{topic}={address}" for topic in (RAWTX, SEQUENCE)]
    publishing += [f"-zmqpub{topic}hwm={_QUEUE_MESSAGES}" for topic in (RAWTX, SEQUENCE)]
    with tempfile.TemporaryDirectory() as directory, regtest_bitcoind(Path(directory), extra=publishing) as node:
        threshold_sat = round(scene.threshold_btc * _SAT_PER_BTC)
        sent = Path(directory) / "sent.jsonl"
        progress("recording: the history of the node")
        chain = LivelyChain(
            node,
            pace=scene.pace,
            record=Record(sent, threshold_sat),
            now=time.time(),
            is_in_real_time=True,
        )
        endow(chain, scene)
        while (missing := scene.waiting - node.call("getmempoolinfo")["size"]) > 0:
            chain.present.pay(min(500, missing), time.time())
        recorder = Recorder(node, address, threshold_sat)
        recorder.begin()
        live(chain, scene, recorder, progress)
        return recorder.end(list(whales(read_record(sent), threshold_sat)))


def endow(chain: LivelyChain, scene: Scene) -> None:
    """Give people coins for all whales, which else could only come as often as coins are merged."""
    wanted = int((scene.waiting + scene.seconds * scene.per_second) * scene.share_whales * _SPARE)
    value_sat = round(scene.threshold_btc * _LARGEST * _SPARE * _SAT_PER_BTC)
    for _ in range(wanted):
        try:
            chain.present.whale(value_sat)
        except NoCoinsError:
            chain.present.mine()
    chain.present.mine()


def live(chain: LivelyChain, scene: Scene, recorder: Recorder, progress: Progress) -> None:
    """Let the generator live at its pace, and the recorder ask about what it hears."""
    began = due = time.monotonic()
    is_mined = scene.block_after <= 0
    while due - began < scene.seconds:
        chain.present.pay(scene.per_second * _STEP_SECONDS, time.time())
        if not is_mined and due - began >= scene.block_after:
            is_mined = True
            chain.present.mine()
        recorder.ask()
        due += _STEP_SECONDS
        progress(f"recording: {due - began:.0f} of {scene.seconds:.0f} s")
        time.sleep(max(0.0, due - time.monotonic()))


class Recorder:
    """Hears one bitcoind, and asks it what a detector would ask."""

    def __init__(self, node: Bitcoind, address: str, threshold_sat: int) -> None:
        self._node = node
        http = BitcoindTransport(node.rpc_url, LeanHttp(_BOUNDS))
        self._rpc = RpcClient(http, credentials_of(node.cookie, None, None))
        self._threshold_sat = threshold_sat
        self._ears = Ears(address)
        self._asked_about = 0
        self._began = self._template_due = 0.0
        self._waiting: list[str] = []
        self._sequence = 0
        self._spent_by_whales: set[bytes] = set()
        self._raw: dict[str, bytes] = {}
        self._entries: dict[str, bytes] = {}
        self._coins: dict[str, bytes] = {}
        self._templates: list[Template] = []
        self._blocks: list[Block] = []

    def begin(self) -> None:
        """Note what the node knows before the first frame."""
        self._ears.start()
        content = self._node.call("getrawmempool", False, True)  # noqa: FBT003 - bitcoind's own
        self._waiting, self._sequence = content["txids"], content["mempool_sequence"]
        for start in range(0, len(self._waiting), _BATCH):
            some = self._waiting[start : start + _BATCH]
            self._ask_entries(some)
            for txid, raw in zip(some, self._batch("getrawtransaction", some), strict=True):
                self._raw[txid] = bytes.fromhex(msgspec.json.decode(raw or b"", type=str))
                self._look(self._raw[txid])
        tip = self._node.call("getblockcount")
        self._blocks = [self._block(self._node.call("getblockhash", tip - back)) for back in range(_KNOWN_BLOCKS)][::-1]
        self._began = time.monotonic()
        self._ask_template()

    def ask(self) -> None:
        """Ask about what was heard since the last time."""
        frames = self._ears.frames
        new, self._asked_about = frames[self._asked_about :], len(frames)
        self._ask_entries([frame.body[:32].hex() for frame in new if is_added(frame)])
        for frame in new:
            if frame.topic == RAWTX:
                self._look(frame.body)
            elif frame.body[32:33] == b"C":
                self._blocks.append(self._block(frame.body[:32].hex(), is_whole=True))
        if time.monotonic() >= self._template_due:
            self._ask_template()

    def end(self, sent: Sequence[str]) -> Recording:
        """Return what was recorded; fail when a frame is missing."""
        self._ears.stop()
        self.ask()
        entered = {frame.body[:32].hex() for frame in self._ears.frames if is_added(frame)}.union(self._waiting)
        frames = [Frame(frame.at_seconds - self._began, frame.topic, frame.body) for frame in self._ears.frames]
        return Recording(
            threshold_sat=self._threshold_sat,
            waiting=self._waiting,
            sequence=self._sequence,
            frames=frames,
            raw=self._raw,
            entries=self._entries,
            coins=self._coins,
            blocks=self._blocks,
            templates=self._templates,
            durations=self._durations(),
            whales=[txid for txid in sent if txid in entered],
        )

    def _look(self, raw: bytes) -> None:
        """Ask for the coins of a transaction that a detector would look at."""
        if not is_worth_a_look(raw, self._threshold_sat, self._spent_by_whales):
            return
        parts = read_parts(raw)
        if parts.is_coinbase:
            return
        self._spent_by_whales.update(parts.spent)
        spent = [outpoint_of(each) for each in parts.spent]
        for each, coin in zip(spent, self._coins_of(spent), strict=True):
            self._coins.setdefault(f"{each.txid}:{each.vout}", coin)

    def _coins_of(self, spent: Sequence[Any]) -> list[bytes]:
        answers = self._rpc.batch_for(msgspec.Raw, "gettxout", [(each.txid, each.vout, False) for each in spent])
        return [bytes(each or b"null") for each in answers]

    def _ask_entries(self, txids: Sequence[str]) -> None:
        answers = self._batch("getmempoolentry", txids)
        self._entries.update({txid: each for txid, each in zip(txids, answers, strict=True) if each is not None})

    def _ask_template(self) -> None:
        answer = self._rpc.call_for(msgspec.Raw, "getblocktemplate", _TEMPLATE_RULES)
        self._templates.append(Template(time.monotonic() - self._began, bytes(answer)))
        self._template_due = time.monotonic() + _TEMPLATE_SECONDS

    def _block(self, block_hash: str, *, is_whole: bool = False) -> Block:
        header = bytes(self._rpc.call_for(msgspec.Raw, "getblockheader", block_hash))
        height = msgspec.json.decode(header)["height"]
        if not is_whole:
            return Block(block_hash, height, header)
        raw = bytes.fromhex(self._node.call("getblock", block_hash, 0))
        return Block(block_hash, height, header, raw, self._node.call("getblock", block_hash, 1)["tx"])

    def _batch(self, method: str, txids: Sequence[str]) -> list[bytes | None]:
        answers = self._rpc.batch_for(
            msgspec.Raw, method, [(txid,) for txid in txids], none_for=(RPC_INVALID_ADDRESS_OR_KEY,)
        )
        return [None if each is None else bytes(each) for each in answers]

    def _durations(self) -> dict[str, Duration]:
        """Ask the node, which has nothing else to do now, how long it takes."""
        waiting = self._node.call("getrawmempool")[:_BATCH]
        outpoints = [key.rpartition(":") for key in self._coins][:_BATCH]
        coins = [(txid, int(vout), False) for txid, _, vout in outpoints]
        of_txids = [(txid,) for txid in waiting]
        found = {
            method: _duration(lambda some, method=method: self._rpc.batch_for(msgspec.Raw, method, some), many)  # type: ignore[misc]
            for method, many in (("getmempoolentry", of_txids), ("getrawtransaction", of_txids), ("gettxout", coins))
            if many
        }
        tip = self._blocks[-1].hash
        for method, params in (("getblocktemplate", (_TEMPLATE_RULES,)), ("getblock", (tip, 0))):
            began = time.perf_counter()
            self._rpc.call_for(msgspec.Raw, method, *params)
            found[method] = Duration(time.perf_counter() - began, 0.0)
        return found


def _duration(ask: Callable[[Sequence[Sequence[object]]], object], many: Sequence[Sequence[object]]) -> Duration:
    first = min(_seconds(lambda: ask(many[:1])) for _ in range(_TIMED_ROUNDS))
    all_of_them = min(_seconds(lambda: ask(many)) for _ in range(_TIMED_ROUNDS))
    return Duration(first, max(0.0, all_of_them - first) / max(1, len(many) - 1))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Ears:
    """Hears both topics in a thread of its own, and checks by the counters that nothing is missing.

    Attributes:
        frames: What was heard, by the monotonic clock.
    """

    def __init__(self, address: str) -> None:
        self.frames: list[Frame] = []
        self._counters: dict[str, int] = {}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, 100)
        for topic in (RAWTX, SEQUENCE):
            self._socket.subscribe(topic)
        self._socket.connect(address)
        self._is_told_to_stop = threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._hear, daemon=True)

    def start(self) -> None:
        """Begin to hear; what comes before the connections stand is not missed by anybody, as nothing is sent."""
        self._thread.start()
        time.sleep(_QUIET_SECONDS)

    def stop(self) -> None:
        """Hear what is still on the way, and no more; fail when something was missing."""
        time.sleep(_QUIET_SECONDS)
        self._is_told_to_stop.set()
        self._thread.join(_LAST_WORD_SECONDS)
        self._socket.close(linger=0)
        self._context.term()
        if self._problem:
            raise RuntimeError(self._problem)

    def _hear(self) -> None:
        while not self._is_told_to_stop.is_set():
            try:
                topic_bytes, body, counter = self._socket.recv_multipart()
            except zmq.Again:
                continue
            topic, number = topic_bytes.decode(), int.from_bytes(counter, "little")
            if self._counters.setdefault(topic, number) != number:
                self._problem = f"messages of {topic} are missing before {number}"
            self._counters[topic] = number + 1
            self.frames.append(Frame(time.monotonic(), topic, body))
