"""What an Aave rewards controller pays for supplying to one reserve: read it, count it, speak its claim and read that back.

A claim is of everything at once, and the controller then transfers every token it knows, of most of them nothing. So it refuses,
by name, to claim where one of them is no further asset of the market; and where the deployment names no controller. What it does
not read and a simulation must find: whether the vault that pays has enough. Rewards for debts are not read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Address, Asset, ClaimRewards, Market, Position, Reward
from strategies.errors import IncompleteRead, UnknownCall
from strategies.protocols.adapter import ADDRESS, UINT256, Call, Function
from strategies.protocols.answers import refuse, words

GET_REWARDS_LIST: Final = Function("b45ac1a9")
GET_REWARDS_DATA: Final = Function("7eff4ba8", ADDRESS, ADDRESS)
GET_ASSET_INDEX: Final = Function("886fe70b", ADDRESS, ADDRESS)
GET_USER_ASSET_INDEX: Final = Function("533f542a", ADDRESS, ADDRESS, ADDRESS)
# A list of one asset lies behind the other arguments: where it begins, and how many it holds, are words like any other.
GET_USER_REWARDS: Final = Function("70674ab9", UINT256, ADDRESS, ADDRESS, UINT256, ADDRESS)
CLAIM_ALL_REWARDS: Final = Function("bb492bf5", UINT256, ADDRESS, UINT256, ADDRESS)
WORD: Final = 32
READS_PER_ASSET: Final = 3  # of a claim


@dataclass(frozen=True, slots=True)
class Emission:
    """What all suppliers together get of one asset each second until an end (RewardsDataTypes.RewardData)."""

    asset: Asset
    index: int
    per_second_raw: int
    last_update_timestamp: int
    end_timestamp: int


@dataclass(frozen=True, slots=True)
class Rewards:
    """A controller as one reserve sees it: what its suppliers get, and the tokens it knows that the market does not."""

    emissions: tuple[Emission, ...]
    unlisted: tuple[Address, ...]


def controller(market: Market) -> Address | None:
    """The pinned rewards controller; None where the deployment names none."""
    return dict(market.contracts).get("rewards")


def reads(market: Market) -> tuple[Call, ...]:
    """Every token the controller knows, and the emission of each that the market lists. Nothing without a controller."""
    if (at := controller(market)) is None:
        return ()
    receipt = market.contract("receipt")
    emissions = [Call(at, GET_REWARDS_DATA.encode(receipt, asset.address)) for asset in market.others]
    return (Call(at, GET_REWARDS_LIST.encode()), *emissions)


def decode(market: Market, results: Sequence[bytes], timestamp: int) -> Rewards | None:
    """What was answered. Raises IncompleteRead, UnsupportedState."""
    if not results:
        return None
    emissions = [Emission(asset, *words(market, result, 4)) for asset, result in zip(market.others, results[1:], strict=True)]
    known = _addresses(market, results[0])
    refuse(market, "a reward counted later than it was read", any(one.last_update_timestamp > timestamp for one in emissions))
    return Rewards(
        emissions=tuple([one for one in emissions if one.last_update_timestamp]),  # zero: it was never given for this reserve
        unlisted=tuple([token for token in known if all(token != asset.address for asset in market.others)]),
    )


def claim_reads(market: Market, account: Address) -> tuple[Call, ...]:
    """For each asset: the index now, the index the account was last counted at, and all that is due to it now."""
    if (at := controller(market)) is None:
        return ()
    receipt = market.contract("receipt")
    return tuple(
        [
            Call(at, question)
            for asset in market.others
            for question in (
                GET_ASSET_INDEX.encode(receipt, asset.address),
                GET_USER_ASSET_INDEX.encode(account, receipt, asset.address),
                GET_USER_REWARDS.encode(3 * WORD, account, asset.address, 1, receipt),
            )
        ]
    )


def claim(market: Market, shares_raw: int, results: Sequence[bytes]) -> tuple[Reward, ...]:
    """What the controller keeps for the account, which no view of it says: what is due less what it has not written yet.
    Raises IncompleteRead."""
    found = []
    for place, asset in enumerate(market.others if results else ()):
        at = place * READS_PER_ASSET
        index_now = words(market, results[at], 2)[1]
        index, due_raw = (words(market, result, 1)[0] for result in results[at + 1 : at + READS_PER_ASSET])
        accrued_raw = due_raw - _earned_raw(market, shares_raw, index_now - index)
        if index > index_now or accrued_raw < 0:
            raise IncompleteRead(f"{market.id}: no rewards are like the {due_raw} {asset.symbol} that were answered")
        found.append(Reward(asset, accrued_raw, index))
    return _written(found)


def counted(rewards: Rewards, held: Position, *, timestamp: int, supply_raw: int) -> tuple[Rewards, Position]:
    """Both as any change of the account's balance first makes them, by the balance and supply before that change
    (RewardsDistributor._updateData)."""
    emissions = tuple([_updated(one, held.market, timestamp, supply_raw) for one in rewards.emissions])
    earned = {reward.asset: reward for reward in held.rewards}
    for one in emissions:
        last = earned.get(one.asset, Reward(one.asset, 0, 0))
        grown_raw = _earned_raw(held.market, held.shares_raw, one.index - last.index)
        earned[one.asset] = Reward(one.asset, last.accrued_raw + grown_raw, one.index)
    after = _written([earned[asset] for asset in held.market.others if asset in earned])
    return replace(rewards, emissions=emissions), replace(held, rewards=after)


def encode(market: Market, account: Address) -> Call:
    """claimAllRewards for the reserve's receipts, to the account. Raises UnknownCall."""
    if (at := controller(market)) is None:
        raise UnknownCall(f"a claim of rewards of {market.id}: the deployment names no rewards controller for it")
    try:
        return Call(at, CLAIM_ALL_REWARDS.encode(2 * WORD, account, 1, market.contract("receipt")))
    except ValueError as error:
        raise UnknownCall(str(error)) from error


def parse(call: Call, account: Address, markets: Sequence[Market]) -> ClaimRewards | None:
    """The claim of one market's rewards; None for another beneficiary, several assets, a value, or one unread byte."""
    try:
        start, receiver, count, receipt = CLAIM_ALL_REWARDS.decode(call.data)
    except ValueError:
        return None
    if (start, receiver, count, call.value_wei) != (2 * WORD, account, 1, 0):
        return None
    ours = (market for market in markets if controller(market) == call.target and market.contract("receipt") == receipt)
    return next((ClaimRewards(market) for market in ours), None)


def _updated(emission: Emission, market: Market, timestamp: int, supply_raw: int) -> Emission:
    """RewardsDistributor._updateRewardData: what was given since, a share of the whole supply."""
    until = min(timestamp, emission.end_timestamp)
    seconds = max(until - emission.last_update_timestamp, 0) if supply_raw else 0
    grown = emission.per_second_raw * seconds * 10**market.asset.decimals // supply_raw if seconds else 0
    return replace(emission, index=emission.index + grown, last_update_timestamp=timestamp)


def _earned_raw(market: Market, shares_raw: int, index_growth: int) -> int:
    """RewardsDistributor._getRewards."""
    return int(shares_raw * index_growth // 10**market.asset.decimals)


def _written(rewards: Sequence[Reward]) -> tuple[Reward, ...]:
    """Those of which the controller keeps anything."""
    return tuple([reward for reward in rewards if reward.accrued_raw or reward.index])


def _addresses(market: Market, result: bytes) -> tuple[Address, ...]:
    """A returned list of addresses. Raises IncompleteRead."""
    start, count, *found = words(market, result, max(len(result) // WORD, 2))
    if start != WORD or count != len(found) or any(address >> 160 for address in found):
        raise IncompleteRead(f"{market.id}: {len(result)} bytes are no list of addresses")
    return tuple([f"0x{address:040x}" for address in found])
