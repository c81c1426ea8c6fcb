"""One of each action that a market could have, for numbers of anyone's choice: what a function is, is learnt by writing it
twice. Refuses nothing: what no adapter writes drops out where it is written."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import permutations, product
from typing import Final, TypeAlias

from strategies.domain import (
    ALL,
    AddLiquidity,
    Amount,
    Asset,
    Borrow,
    Claim,
    ClaimRewards,
    Collect,
    Market,
    MarketAction,
    RemoveLiquidity,
    Repay,
    SetCollateral,
    Shares,
    Stake,
    Supply,
    Swap,
    SwapFor,
    Ticks,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)

Numbers: TypeAlias = Callable[[int], int]  # the number at a place of an action
Made: TypeAlias = Callable[[Numbers], MarketAction]
KINDS_OF_STAKING: Final[tuple[type[Stake] | type[Unstake] | type[Wrap] | type[Unwrap], ...]] = (Stake, Unstake, Wrap, Unwrap)


def specimens(market: Market, listed: Sequence[Market], borrowed_from: Sequence[str]) -> Iterator[Made]:
    """Of one market, among all that are listed, and the ids of those where a person allows loans."""
    yield from _claims(market)
    if market.id in borrowed_from:
        yield from _loans(market)
    yield from _staking(market)
    yield from _trading(market, listed)
    yield from _ranges(market)


def _claims(market: Market) -> Iterator[Made]:
    """What is lent and taken back, and what ends a debt."""
    asset = market.asset
    yield lambda number: Supply(market, Amount(asset, number(0)))
    for kind in (Withdraw, Repay):
        yield partial(_ended, kind, market)
        yield partial(_ended_in_shares, kind, market)
        yield partial(_ended_whole, kind, market)
    for other in market.others:
        yield partial(_uncovered, market, other)
    yield lambda _: ClaimRewards(market)
    yield lambda _: SetCollateral(market, True)
    yield lambda _: SetCollateral(market, False)


def _loans(market: Market) -> Iterator[Made]:
    """Collateral in another asset backs loans only, so where nothing may be borrowed none goes in."""
    asset = market.asset
    yield lambda number: Borrow(market, Amount(asset, number(0)))
    for other in market.others:
        yield partial(_covered, market, other)


def _ended(kind: type[Withdraw] | type[Repay], market: Market, number: Numbers) -> MarketAction:
    return kind(market, Amount(market.asset, number(0)))


def _ended_in_shares(kind: type[Withdraw] | type[Repay], market: Market, number: Numbers) -> MarketAction:
    return kind(market, Shares(number(0)))


def _ended_whole(kind: type[Withdraw] | type[Repay], market: Market, _: Numbers) -> MarketAction:
    return kind(market, ALL)


def _covered(market: Market, asset: Asset, number: Numbers) -> MarketAction:
    return Supply(market, Amount(asset, number(0)))


def _uncovered(market: Market, asset: Asset, number: Numbers) -> MarketAction:
    return Withdraw(market, Amount(asset, number(0)))


def _staking(market: Market) -> Iterator[Made]:
    yield lambda number: Claim(market, number(0))
    for asset, kind in product((market.asset, *market.others), KINDS_OF_STAKING):
        yield partial(_staked, kind, market, asset)


def _staked(
    kind: type[Stake] | type[Unstake] | type[Wrap] | type[Unwrap], market: Market, asset: Asset, number: Numbers
) -> MarketAction:
    return kind(market, Amount(asset, number(0)))


def _trading(market: Market, listed: Sequence[Market]) -> Iterator[Made]:
    """Each asset of the pool for each other one, and for what a second listed pool makes of it."""
    for given, taken in permutations((market.asset, *market.others), 2):
        yield partial(_swapped, market, given, taken, ())
        yield partial(_swapped_for, market, given, taken)
    for then in listed:
        between = {market.asset, *market.others} & {then.asset, *then.others}
        if then.id == market.id or then.protocol != market.protocol or not between:
            continue
        for given, taken in product((market.asset, *market.others), (then.asset, *then.others)):
            if given != taken:
                yield partial(_swapped, market, given, taken, (then,))


def _swapped(market: Market, given: Asset, taken: Asset, via: tuple[Market, ...], number: Numbers) -> MarketAction:
    return Swap(market, Amount(given, number(0)), Amount(taken, number(1)), number(2), via)


def _swapped_for(market: Market, given: Asset, taken: Asset, number: Numbers) -> MarketAction:
    return SwapFor(market, Amount(given, number(0)), Amount(taken, number(1)), number(2))


def _ranges(market: Market) -> Iterator[Made]:
    """Into a new range, and out of any: what goes into a known one may be a stranger's, and no condition of a role can tell."""
    yield lambda number: Collect(market, number(0))
    for pair in permutations((market.asset, *market.others), 2):
        yield partial(_added, market, pair)
        yield partial(_removed, market, pair)


def _added(market: Market, pair: tuple[Asset, ...], number: Numbers) -> MarketAction:
    least, most = [(Amount(pair[0], number(at)), Amount(pair[1], number(at + 1))) for at in (0, 2)]
    return AddLiquidity(market, Ticks(number(4), number(5)), most, least, number(6))


def _removed(market: Market, pair: tuple[Asset, ...], number: Numbers) -> MarketAction:
    least = Amount(pair[0], number(0)), Amount(pair[1], number(1))
    return RemoveLiquidity(market, number(2), number(3), least, number(4))
