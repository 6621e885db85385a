"""Use cases: the on-chain estimate of the newest blocks, and of a day."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from app.domain.price.amounts import SAT_PER_BTC
from app.domain.price.estimate import NotEnoughDataError, PriceEstimate, estimate_price
from app.domain.price.trusted_price import TrustedPrice, trusted_price
from app.domain.price.windows import Window, day_window, recent_window
from app.services.block_proof import Provers, in_this_process
from app.services.block_source import BlockUnknownError, FallbackBlockSource, NodeStatus, OnchainPriceError
from app.services.header_times import HeaderTimes
from app.services.window_reader import ReorganisedError, WindowReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from app.domain.price.amounts import WindowAmounts
    from app.services.extract_cache import ExtractCache

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
    """Estimates and what they were made from.

    Attributes:
        first_height: First block of the window.
        last_height: Last block of the window, included.
        last_hash: Its hash, in display order.
        n_blocks: Blocks in the window.
        n_outputs: Outputs that passed the filters.
        own: Our estimate.
        published: That of the published method; None where it has none.
        block_source: Names of what served the blocks in this run, joined by `+`.
    """

    first_height: int
    last_height: int
    last_hash: str
    n_blocks: int
    n_outputs: int
    own: TrustedPrice
    published: PriceEstimate | None
    block_source: str


def ignore_progress(done: int, total: int) -> None:
    """Take note of neither the blocks read nor those to read."""


def estimate_recent(  # noqa: PLR0913 - from where, and by name what is not as usual
    source: FallbackBlockSource,
    network: str,
    *,
    window_blocks: int = 144,
    min_confirmations: int = 2,
    kept: ExtractCache | None = None,
    provers: Provers = in_this_process,
    progress: Callable[[int, int], None] = ignore_progress,
) -> OnchainPrice:
    """Estimate the price from the newest blocks.

    Args:
        source: The node.
        network: The one that the node must be on.
        window_blocks: How many blocks.
        min_confirmations: Confirmations that the newest of them has; 2 leaves out the tip.
        kept: What earlier runs kept of blocks, and where this one keeps its own.
        provers: What proves blocks when there are many.
        progress: Called with the number of blocks read and of all, after each block.

    Raises:
        OnchainPriceError: The node cannot be asked, is not fit to be asked, or gave wrong blocks.
        NotEnoughDataError: The chain is too short, or its blocks hold no payment at all.
    """

    def window(status: NodeStatus) -> Window:
        return recent_window(status.tip_height, window_blocks, min_confirmations)

    return _estimate(source, network, window, partial(WindowReader, kept=kept, provers=provers), progress)


def estimate_at(  # noqa: PLR0913 - from where, and by name what is not as usual
    source: FallbackBlockSource,
    network: str,
    last_height: int,
    *,
    window_blocks: int = 144,
    kept: ExtractCache | None = None,
    provers: Provers = in_this_process,
    progress: Callable[[int, int], None] = ignore_progress,
) -> OnchainPrice:
    """Estimate the price from the blocks up to `last_height`, included, as a run of that time would have.

    Args:
        source: The node.
        network: The one that the node must be on.
        last_height: Newest block of the window.
        window_blocks: How many blocks.
        kept: What earlier runs kept of blocks, and where this one keeps its own.
        provers: What proves blocks when there are many.
        progress: Called with the number of blocks read and of all, after each block.

    Raises:
        OnchainPriceError: The node cannot be asked, is not fit to be asked, or gave wrong blocks.
        NotEnoughDataError: The chain is too short, or its blocks hold no payment at all.
    """

    def window(_status: NodeStatus) -> Window:
        # As if that block were the tip.
        return recent_window(last_height, window_blocks, min_confirmations=1)

    return _estimate(source, network, window, partial(WindowReader, kept=kept, provers=provers), progress)


def estimate_day(  # noqa: PLR0913 - from where, and by name what is not as usual
    source: FallbackBlockSource,
    network: str,
    day: date,
    *,
    search: Callable[[date, int, Callable[[int], int | None]], Window] = day_window,
    kept: ExtractCache | None = None,
    provers: Provers = in_this_process,
    progress: Callable[[int, int], None] = ignore_progress,
) -> OnchainPrice:
    """Estimate the price from the blocks of a UTC day.

    Args:
        source: The node.
        network: The one that the node must be on.
        day: The day.
        search: Rule by which the blocks of a day are found.
        kept: What earlier runs kept of blocks, and where this one keeps its own.
        provers: What proves blocks when there are many.
        progress: Called with the number of blocks read and of all, after each block.

    Raises:
        OnchainPriceError: The node cannot be asked, is not fit to be asked, or gave wrong blocks.
        NotEnoughDataError: The day is not over, has no block, or its blocks hold no payment at all.
    """

    def window(status: NodeStatus) -> Window:
        return search(day, status.tip_height, HeaderTimes(source, status.tip_height))

    return _estimate(source, network, window, partial(WindowReader, kept=kept, provers=provers), progress)


def _estimate(
    source: FallbackBlockSource,
    network: str,
    window_of: Callable[[NodeStatus], Window],
    new_reader: Callable[[FallbackBlockSource, Window], WindowReader],
    progress: Callable[[int, int], None],
) -> OnchainPrice:
    for attempt in range(1, _ATTEMPTS + 1):
        window = window_of(_checked_status(source, network))
        reader = new_reader(source, window)
        try:
            reader.read(progress)
        except ReorganisedError:
            continue
        except BlockUnknownError:
            if attempt == _ATTEMPTS:
                raise
            continue
        return _result(window, reader, reader.amounts())
    raise ChainChangedError(f"the node's chain was reorganised {_ATTEMPTS} times while it was read; try again later")


def _checked_status(source: FallbackBlockSource, network: str) -> NodeStatus:
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


def _result(window: Window, reader: WindowReader, amounts: WindowAmounts) -> OnchainPrice:
    return OnchainPrice(
        first_height=window.first,
        last_height=window.last,
        last_hash=reader.last_hash,
        n_blocks=window.last - window.first + 1,
        n_outputs=len(amounts.amounts_btc),
        own=trusted_price(amounts),
        published=_published(amounts),
        block_source="+".join(reader.served_by),
    )


def _published(amounts: WindowAmounts) -> PriceEstimate | None:
    try:
        # In any order it gives the same, and in this one faster.
        return estimate_price(amounts.rising.values_sat / SAT_PER_BTC)
    except NotEnoughDataError:
        return None
