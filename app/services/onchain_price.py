"""Use cases: the on-chain estimate of the newest blocks, and of a day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.price.estimate import PriceEstimate, estimate_price
from app.domain.price.windows import Window, day_window, recent_window
from app.services.block_source import BlockSource, BlockUnknownError, NodeStatus, OnchainPriceError
from app.services.header_times import HeaderTimes
from app.services.window_reader import ReorganisedError, WindowReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

# Reading a window takes seconds and reorganisations are rare: a second one in a row means that something is wrong.
_ATTEMPTS = 2


class WrongNetworkError(OnchainPriceError):
    """The node is on another network than the settings say."""

    code = "wrong_network"


class StillSyncingError(OnchainPriceError):
    """The node is in initial block download: its newest blocks are not the network's newest."""

    code = "initial_block_download"


class ChainChangedError(OnchainPriceError):
    """The chain was reorganised while it was read, more than once in a row."""

    code = "chain_changed"


@dataclass(frozen=True, slots=True)
class OnchainPrice:
    """An estimate and what it was made from; prices in USD per BTC.

    Attributes:
        first_height: First block of the window.
        last_height: Last block of the window, included.
        last_hash: Its hash, in display order.
        n_blocks: Blocks in the window.
        n_outputs: Outputs that passed the filters.
        n_points: Prices that those outputs imply.
        n_points_near: Those within 5 % of the estimate.
        rough_price: The first price, in whole dollars.
        price: The estimate.
        block_source: Names of what served the blocks, joined by `+`.
    """

    first_height: int
    last_height: int
    last_hash: str
    n_blocks: int
    n_outputs: int
    n_points: int
    n_points_near: int
    rough_price: int
    price: float
    block_source: str


def ignore_progress(done: int, total: int) -> None:
    """Take note of neither the blocks read nor those to read."""


def estimate_recent(
    source: BlockSource,
    network: str,
    *,
    window_blocks: int = 144,
    min_confirmations: int = 2,
    progress: Callable[[int, int], None] = ignore_progress,
) -> OnchainPrice:
    """Estimate the price from the newest blocks.

    Args:
        source: The node.
        network: The one that the node must be on.
        window_blocks: How many blocks.
        min_confirmations: Confirmations that the newest of them has; 2 leaves out the tip.
        progress: Called with the number of blocks read and of all, after each block.

    Raises:
        OnchainPriceError: The node cannot be asked, is not fit to be asked, or gave wrong blocks.
        NotEnoughDataError: The chain is too short, or its blocks hold too few payments.
    """

    def window(status: NodeStatus) -> Window:
        return recent_window(status.tip_height, window_blocks, min_confirmations)

    return _estimate(source, network, window, progress)


def estimate_day(
    source: BlockSource,
    network: str,
    day: date,
    *,
    search: Callable[[date, int, Callable[[int], int | None]], Window] = day_window,
    progress: Callable[[int, int], None] = ignore_progress,
) -> OnchainPrice:
    """Estimate the price from the blocks of a UTC day.

    Args:
        source: The node.
        network: The one that the node must be on.
        day: The day.
        search: Rule by which the blocks of a day are found.
        progress: Called with the number of blocks read and of all, after each block.

    Raises:
        OnchainPriceError: The node cannot be asked, is not fit to be asked, or gave wrong blocks.
        NotEnoughDataError: The day is not over, has no block, or its blocks hold too few payments.
    """

    def window(status: NodeStatus) -> Window:
        return search(day, status.tip_height, HeaderTimes(source, status.tip_height))

    return _estimate(source, network, window, progress)


def _estimate(
    source: BlockSource,
    network: str,
    window_of: Callable[[NodeStatus], Window],
    progress: Callable[[int, int], None],
) -> OnchainPrice:
    for attempt in range(1, _ATTEMPTS + 1):
        window = window_of(_checked_status(source, network))
        reader = WindowReader(source, window)
        try:
            reader.read(progress)
        except ReorganisedError:
            continue
        except BlockUnknownError:
            if attempt == _ATTEMPTS:
                raise
            continue
        return _result(window, reader, estimate_price(reader.outputs.amounts_btc()))
    raise ChainChangedError(f"the node's chain was reorganised {_ATTEMPTS} times while it was read; try again later")


def _checked_status(source: BlockSource, network: str) -> NodeStatus:
    status = source.status()
    if status.network != network:
        raise WrongNetworkError(
            f"the node is on {status.network} and BITCOIN_NETWORK says {network}; correct the setting, "
            "or BITCOIN_RPC_URL if it leads to the wrong node"
        )
    if status.initial_block_download:
        raise StillSyncingError(
            f"the node is still in initial block download (at block {status.tip_height}); wait until it has caught up"
        )
    return status


def _result(window: Window, reader: WindowReader, estimate: PriceEstimate) -> OnchainPrice:
    return OnchainPrice(
        first_height=window.first,
        last_height=window.last,
        last_hash=reader.last_hash,
        n_blocks=window.last - window.first + 1,
        n_outputs=estimate.n_outputs,
        n_points=estimate.n_points,
        n_points_near=estimate.n_points_near,
        rough_price=estimate.rough_price,
        price=estimate.price,
        block_source="+".join(reader.served_by),
    )
