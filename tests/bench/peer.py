"""The peer of the price benchmarks: the published program's way to a price, written straight from its description.

JSON-RPC in hexadecimal, one connection a call; a parser that reads a stream field by field; a txid by writing each
transaction anew without its witness; a loop over the amounts for every step of the estimate. It takes the newest 144
blocks below the tip, proves nothing about them, and ends at the same price to the last bit.
"""

from __future__ import annotations

import http.client
import json
import math
import struct
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

WINDOW_BLOCKS = 144

EDGES = [0.0] + [10 ** (decade + part / 200) for decade in range(-6, 6) for part in range(200)]
ROUND_BTC_BINS = (201, 401, 461, 496, 540, 601, 661, 696, 740, 801, 861, 896, 940, 1001, 1061, 1096, 1140, 1201)
ROUND_USD = (5, 10, 15, 20, 25, 30, 40, 50, 100, 150, 200, 300, 500, 1000)
SPIKES = {
    40: 0.001300198324984352, 141: 0.001676746949820743, 201: 0.003468805546942046, 202: 0.001991977522512513,
    236: 0.001905066647961839, 261: 0.003341772718156079, 262: 0.002588902624584287, 296: 0.002577893841190244,
    297: 0.002733728814200412, 340: 0.003076117748975647, 341: 0.005613067550103145, 342: 0.003088253178535568,
    400: 0.002918457489366139, 401: 0.006174500465286022, 402: 0.004417068070043504, 403: 0.002628663628020371,
    436: 0.002858828161543839, 461: 0.004097463611984264, 462: 0.003345917406120509, 496: 0.002521467726855856,
    497: 0.002784125730361008, 541: 0.003792850444811335, 601: 0.003688240815848247, 602: 0.002392400117402263,
    636: 0.001280993059008106, 661: 0.001654665137536031, 662: 0.001395501347054946, 741: 0.001154279140906312,
    801: 0.000832244504868709,
}  # fmt: skip
SPIKE_WEIGHTS = [SPIKES.get(x, 0.0) for x in range(803)]
SMOOTH_WEIGHTS = [0.0015 * 2.718281828459045 ** (-((x - 411) ** 2) / (2 * 201**2)) + 0.0000005 * x for x in range(803)]


def call(url: str, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON
    """Return what a node answers to one call."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    body = json.dumps({"jsonrpc": "1.0", "id": 0, "method": method, "params": params})
    connection.request("POST", "/", body, {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())["result"]
    connection.close()
    return answer


def price_of_node(url: str) -> float:
    """Return the price that the newest blocks of the node at `url` say, in USD per BTC."""
    tip = call(url, "getblockchaininfo")["blocks"]
    amounts: list[float] = []
    seen: set[str] = set()
    for height in range(tip - WINDOW_BLOCKS, tip):
        raw = bytes.fromhex(call(url, "getblock", call(url, "getblockhash", height), 0))
        read_block(raw, seen, amounts)
    return price_of_amounts(amounts)


def price_of_amounts(amounts: Sequence[float]) -> float:
    """Return the price that the amounts of a window say, in USD per BTC."""
    rough = rough_price(histogram(amounts))
    return central_price(price_points(amounts, rough), rough)


def read_block(raw: bytes, seen: set[str], amounts: list[float]) -> None:
    """Add the block's txids to `seen`, and what counts of its outputs to `amounts`, in BTC."""
    stream = BytesIO(raw)
    stream.read(80)
    for _ in range(compact_size(stream)):
        read_transaction(stream, seen, amounts)


def read_transaction(stream: BytesIO, seen: set[str], amounts: list[float]) -> None:
    start = stream.tell()
    is_segwit = read_start(stream)
    spent, is_coinbase = read_inputs(stream)
    values, has_data = read_outputs(stream)
    witness_fits = read_witness(stream, len(spent)) if is_segwit else True
    stream.read(4)
    end = stream.tell()
    stream.seek(start)
    seen.add(txid(stream.read(end - start)))
    if (
        len(spent) <= 5
        and len(values) == 2
        and not is_coinbase
        and not has_data
        and witness_fits
        and not any(each in seen for each in spent)
    ):
        amounts += [value for value in values if 1e-5 < value < 1e5]


def read_start(stream: BytesIO) -> bool:
    stream.read(4)
    is_segwit = stream.read(2) == b"\x00\x01"
    if not is_segwit:
        stream.seek(-2, 1)
    return is_segwit


def read_inputs(stream: BytesIO) -> tuple[list[str], bool]:
    spent, is_coinbase = [], False
    for _ in range(compact_size(stream)):
        previous_le, index = stream.read(32), stream.read(4)
        stream.read(compact_size(stream))
        stream.read(4)
        spent.append(previous_le[::-1].hex())
        if previous_le == bytes(32) and index == b"\xff" * 4:
            is_coinbase = True
    return spent, is_coinbase


def read_outputs(stream: BytesIO) -> tuple[list[float], bool]:
    values, has_data = [], False
    for _ in range(compact_size(stream)):
        values.append(struct.unpack("<Q", stream.read(8))[0] / 1e8)
        script = stream.read(compact_size(stream))
        if script and script[0] == 0x6A:
            has_data = True
    return values, has_data


def read_witness(stream: BytesIO, inputs: int) -> bool:
    fits = True
    for _ in range(inputs):
        total = 0
        for _ in range(compact_size(stream)):
            size = compact_size(stream)
            stream.read(size)
            total += size
            if total > 500:
                fits = False
    return fits


def txid(raw: bytes) -> str:
    """Return the txid of a transaction, in display order."""
    stream = BytesIO(raw)
    stripped = bytearray(stream.read(4))
    if stream.read(2) != b"\x00\x01":
        return sha256(sha256(raw).digest()).digest()[::-1].hex()
    inputs = compact_size(stream)
    stripped += size_bytes(inputs)
    for _ in range(inputs):
        stripped += stream.read(36)
        copy_sized(stream, stripped)
        stripped += stream.read(4)
    outputs = compact_size(stream)
    stripped += size_bytes(outputs)
    for _ in range(outputs):
        stripped += stream.read(8)
        copy_sized(stream, stripped)
    for _ in range(inputs):
        for _ in range(compact_size(stream)):
            stream.read(compact_size(stream))
    stripped += stream.read(4)
    return sha256(sha256(stripped).digest()).digest()[::-1].hex()


def copy_sized(stream: BytesIO, to: bytearray) -> None:
    size = compact_size(stream)
    to += size_bytes(size)
    to += stream.read(size)


def compact_size(stream: BytesIO) -> int:
    first = stream.read(1)[0]
    if first < 0xFD:
        return first
    return int.from_bytes(stream.read({0xFD: 2, 0xFE: 4, 0xFF: 8}[first]), "little")


def size_bytes(size: int) -> bytes:
    if size < 0xFD:
        return bytes([size])
    return b"\xfd" + size.to_bytes(2, "little") if size <= 0xFFFF else b"\xfe" + size.to_bytes(4, "little")


def histogram(amounts: Sequence[float]) -> list[float]:
    counts = [0.0] * len(EDGES)
    for amount in amounts:
        index = max(0, int((math.log10(amount) + 6) * 200))
        while index + 1 < len(EDGES) and EDGES[index + 1] <= amount:
            index += 1
        while EDGES[index] > amount:
            index -= 1
        counts[index] += 1.0
    for index in (*range(201), *range(1601, len(EDGES))):
        counts[index] = 0.0
    for index in ROUND_BTC_BINS:
        counts[index] = (counts[index - 1] + counts[index + 1]) / 2
    total = sum_from_left(counts[201:1601])
    for index in range(201, 1601):
        counts[index] = min(counts[index] / total, 0.008)
    return counts


def rough_price(counts: list[float]) -> int:
    best, best_score, total_score = 0, 0.0, 0.0
    for slide in range(-141, 201):
        score = fit(counts, SPIKE_WEIGHTS, slide)
        if slide < 150:
            score += 0.65 * fit(counts, SMOOTH_WEIGHTS, slide)
        if score > best_score:
            best, best_score = slide, score
        total_score += score
    before, after = fit(counts, SPIKE_WEIGHTS, best - 1), fit(counts, SPIKE_WEIGHTS, best + 1)
    neighbour, neighbour_fit = (best - 1, before) if before > after else (best + 1, after)
    average = total_score / 342
    one, other = best_score - average, abs(neighbour_fit - average)
    return int(one / (one + other) * slide_price(best) + other / (one + other) * slide_price(neighbour))


def fit(counts: list[float], weights: list[float], slide: int) -> float:
    total = 0.0
    for index, weight in enumerate(weights):
        total += counts[199 + slide + index] * weight
    return total


def slide_price(slide: int) -> float:
    return 100 / EDGES[601 + slide]


def round_bitcoin_amounts() -> list[float]:
    amounts = []
    for start, stop, step in (
        (0.00005, 0.0001, 0.00001),
        (0.0001, 0.001, 0.00001),
        (0.001, 0.01, 0.0001),
        (0.01, 0.1, 0.001),
        (0.1, 1, 0.01),
    ):
        amount = start
        while amount < stop:
            amounts.append(amount)
            amount += step
    return amounts


def price_points(amounts: Sequence[float], rough: int) -> list[float]:
    round_btc = round_bitcoin_amounts()
    points = []
    for amount in amounts:
        for usd in ROUND_USD:
            expected = usd / rough
            margin = 0.25 * expected
            if expected - margin < amount < expected + margin and not is_round(amount, round_btc):
                points.append(usd / amount)
    return points


def is_round(amount: float, round_btc: list[float]) -> bool:
    for each in round_btc:
        margin = 0.0001 * each
        if each - margin < amount < each + margin:
            return True
    return False


def central_price(points: Sequence[float], rough: int) -> float:
    margin = 0.05 * rough
    near = sorted(point for point in points if rough - margin < point < rough + margin)
    sums = []
    total = 0.0
    for point in near:
        total += point
        sums.append(total)
    best, least = 0, math.inf
    for index, point in enumerate(near):
        below = sums[index - 1] if index else 0.0
        distance = (point * index - below) + ((total - sums[index]) - point * (len(near) - 1 - index))
        if distance < least:
            best, least = index, distance
    return near[best]


def sum_from_left(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total
