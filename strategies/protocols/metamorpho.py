"""MetaMorpho 1.0: an ERC-4626 vault that lends one asset to Morpho Blue markets; deposits fill its supply queue up to the caps,
withdrawals draw on its withdraw queue as far as there is liquidity, and a fee on the gain is minted as shares.

Refuses, by name: a vault whose withdraw queue is not the pinned markets in their order, whose supply queue is longer than the
pinned length, or whose own total is not the sum of its markets (version 1.1 adds what it lost, and where it lost the two differ);
and "everything", because the contract's word for it is all the shares one has. A supply queue shorter than pinned cannot be read
at all. What it does not see: whether an account is a fee recipient, whose shares grow without an action of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Action, Address, Amount, Entire, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import (
    ActionRefused,
    IncompleteRead,
    InsufficientBalance,
    InsufficientLiquidity,
)
from strategies.protocols import erc20, morpho_blue, vault_calls
from strategies.protocols.adapter import UINT256, Applied, Call, Columns, Function, Solvency
from strategies.protocols.answers import refuse, words
from strategies.protocols.morpho_blue import lending
from strategies.protocols.morpho_blue.lending import LoanMarket
from strategies.units import WAD, mul_div_down, mul_div_up

TOTAL_SUPPLY: Final = Function("18160ddd")
TOTAL_ASSETS: Final = Function("01e1d114")
LAST_TOTAL_ASSETS: Final = Function("568efc07")
FEE: Final = Function("ddca3f43")
SUPPLY_QUEUE_LENGTH: Final = Function("a17b3130")
WITHDRAW_QUEUE_LENGTH: Final = Function("33f91ebb")
SUPPLY_QUEUE: Final = Function("f7d18521", UINT256)
WITHDRAW_QUEUE: Final = Function("62518ddf", UINT256)
CONFIG: Final = Function("cc718f76", UINT256)
TOTALS: Final = (TOTAL_SUPPLY, TOTAL_ASSETS, LAST_TOTAL_ASSETS, FEE, SUPPLY_QUEUE_LENGTH, WITHDRAW_QUEUE_LENGTH)


BLUE: Final = morpho_blue.MorphoBlue()
GAS: Final[Mapping[type[Action], int]] = {Supply: 410_000, Withdraw: 290_000}
MAX_FEE_WAD: Final = WAD // 2  # ConstantsLib.MAX_FEE


@dataclass(frozen=True, slots=True)
class Allocation:
    """A market the vault may lend to: its state, the vault's shares of it, and the cap (0: nothing more)."""

    loan: LoanMarket
    held: Position
    cap_raw: int


@dataclass(frozen=True, slots=True)
class CuratedVault:
    """Everything a vault and its markets keep, true at `timestamp`; `allocations` stand in the withdraw queue's order, and
    `supply_queue` names them by their place. Each market's totals are those of its own last update."""

    market: Market
    timestamp: int
    shares_raw: int  # all of them
    last_total_raw: int  # assets when the fee was last taken
    fee_wad: int
    allocations: tuple[Allocation, ...]
    supply_queue: tuple[int, ...]


class MetaMorpho:
    """The adapter of MetaMorpho vaults. One wraps its Morpho Blue markets in the withdraw queue's order and pins
    `supply_queue_length` among its numbers."""

    @property
    def protocol(self) -> str:
        return "metamorpho"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """The vault's totals and queues, then, of each market, its state, the vault's position and its cap."""
        own = [function.encode() for function in TOTALS]
        own += [SUPPLY_QUEUE.encode(at) for at in range(market.number("supply_queue_length"))]
        own += [WITHDRAW_QUEUE.encode(at) for at in range(len(market.wraps))]
        own += [CONFIG.encode(morpho_blue.market_id(wrapped)) for wrapped in market.wraps]
        calls = [Call(market.address, data) for data in own]
        for wrapped in market.wraps:
            calls += [*BLUE.reads(wrapped), *BLUE.holding_reads(wrapped, market.address)]
        return tuple(calls)

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> CuratedVault:
        """The vault as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.reads(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        first, second = len(TOTALS), len(TOTALS) + market.number("supply_queue_length")
        third, fourth = second + len(market.wraps), second + 2 * len(market.wraps)
        shares_raw, total_raw, last_total_raw, fee_wad, *lengths = _each(market, results[:first])
        supply_queue, withdraw_queue = _each(market, results[first:second]), _each(market, results[second:third])
        pinned = [morpho_blue.market_id(wrapped) for wrapped in market.wraps]
        refuse(market, f"queues of {lengths[0]} and {lengths[1]} markets", lengths != [second - first, len(pinned)])
        refuse(market, "its withdraw queue is not the pinned markets in their order", withdraw_queue != pinned)
        refuse(market, f"a fee of {fee_wad} (1e18)", fee_wad > MAX_FEE_WAD)
        state = CuratedVault(
            market=market,
            timestamp=timestamp,
            shares_raw=shares_raw,
            last_total_raw=last_total_raw,
            fee_wad=fee_wad,
            allocations=_allocations(market, results[third:fourth], results[fourth:], timestamp),
            # What is not in the withdraw queue has lost its cap, and the vault passes over it.
            supply_queue=tuple([pinned.index(identifier) for identifier in supply_queue if identifier in pinned]),
        )
        refuse(market, f"a total of {total_raw}: not the sum of its markets", total_raw != total_assets_raw(state))
        return state

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The account's shares."""
        return (Call(market.address, erc20.BALANCE_OF.encode(account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's claim. Raises IncompleteRead."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, _each(market, results)[0])

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The vault is its own share token; nothing can be owed."""
        return market.address, None

    def columns(self, state: CuratedVault) -> Columns:
        """What the markets earn, each by the vault's part in it, less the fee; nobody borrows from the vault itself."""
        one, total_raw = 10**state.market.asset.decimals, total_assets_raw(state)
        parts = [(BLUE.columns(a.loan).supply_apr, _worth_raw(lending.updated(a.loan), a.held)) for a in state.allocations]
        earned = sum(apr * worth_raw for apr, worth_raw in parts) / total_raw if total_raw else 0.0
        free_raw = self.withdrawable_raw(state)
        return Columns(
            supply_apr=earned * (WAD - state.fee_wad) / WAD,
            borrow_apr=0.0,
            utilisation=(total_raw - free_raw) / total_raw if total_raw else 0.0,
            supplied=total_raw / one,
            available=free_raw / one,
        )

    def accrue(self, state: CuratedVault, seconds: int) -> CuratedVault:
        """Only time passes, for each market too."""
        later = tuple([replace(a, loan=BLUE.accrue(a.loan, seconds)) for a in state.allocations])
        return replace(state, timestamp=state.timestamp + seconds, allocations=later)

    def apply(self, state: CuratedVault, held: Position, action: MarketAction) -> Applied[CuratedVault]:
        """One action at the state's time. Raises ProtocolError where the vault reverts."""
        match action:
            case Supply(market=market, amount=amount) if _is_of(state.market, market, amount):
                return _deposited(state, held, amount)
            case Withdraw(market=market, amount=Amount() | Shares() as amount) if _is_of(state.market, market, amount):
                return _withdrawn(state, held, amount)
            case _:
                raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this market and asset: {action}")

    def value_raw(self, state: CuratedVault, held: Position) -> int:
        """MetaMorpho.convertToAssets, the fee on the gain so far taken."""
        total_raw, shares_raw = accrued(state)
        return mul_div_down(held.shares_raw, total_raw + 1, shares_raw + _virtual_shares(state.market))

    def withdrawable_raw(self, state: CuratedVault) -> int:
        """What the vault could draw from its markets now (MetaMorpho._simulateWithdrawMorpho)."""
        return sum(_drawable_raw(lending.updated(a.loan), a.held) for a in state.allocations)

    def price_usd_e8(self, state: CuratedVault) -> int | None:
        """A vault has no oracle."""
        return None

    def solvency(self, state: CuratedVault, held: Position) -> Solvency:
        """Shares of a vault back no debt here."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """All the shares one has."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The vault."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain with three markets beneath, approval included."""
        return GAS[type(action)]

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """deposit after its exact approval, withdraw, or redeem. Raises UnknownCall."""
        return vault_calls.encode(action, account)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another receiver or owner, a value, or one unread byte."""
        return vault_calls.parse(call, account, markets)


def total_assets_raw(state: CuratedVault) -> int:
    """What all the vault's shares of its markets are worth (MetaMorpho.totalAssets)."""
    return sum(_worth_raw(lending.updated(a.loan), a.held) for a in state.allocations)


def accrued(state: CuratedVault) -> tuple[int, int]:
    """Total assets, and all shares with those of the fee on the gain since it was last taken (MetaMorpho._accruedFeeShares)."""
    total_raw = total_assets_raw(state)
    fee_raw = mul_div_down(max(total_raw - state.last_total_raw, 0), state.fee_wad, WAD)
    # The fee is taken out of the total again for its own price: the total has grown by all the gain already.
    fee_shares_raw = mul_div_down(fee_raw, state.shares_raw + _virtual_shares(state.market), total_raw - fee_raw + 1)
    return total_raw, state.shares_raw + fee_shares_raw


def _deposited(state: CuratedVault, held: Position, amount: Amount) -> Applied[CuratedVault]:
    """MetaMorpho.deposit: shares at the price before, then the assets into the supply queue (_supplyMorpho)."""
    total_raw, shares_raw = accrued(state)
    minted_raw = mul_div_down(amount.raw, shares_raw + _virtual_shares(state.market), total_raw + 1)
    allocations, rest_raw = list(state.allocations), amount.raw
    for at in state.supply_queue:
        if not allocations[at].cap_raw:
            continue
        allocations[at], supplied_raw = _lent(allocations[at], rest_raw)
        rest_raw -= supplied_raw
        if not rest_raw:
            break
    if rest_raw:
        raise ActionRefused(market_id=state.market.id, why=f"its caps leave {rest_raw} of {amount.raw} without a market")
    after = replace(
        state,
        shares_raw=shares_raw + minted_raw,
        last_total_raw=total_raw + amount.raw,
        allocations=tuple(allocations),
    )
    return Applied(after, replace(held, shares_raw=held.shares_raw + minted_raw), _moved(state, -amount.raw))


def _withdrawn(state: CuratedVault, held: Position, amount: Amount | Shares) -> Applied[CuratedVault]:
    """MetaMorpho.withdraw and redeem: the assets out of the withdraw queue (_withdrawMorpho), then the shares are burned."""
    total_raw, shares_raw = accrued(state)
    priced = shares_raw + _virtual_shares(state.market), total_raw + 1
    if isinstance(amount, Shares):
        burned_raw, assets_raw = amount.raw, mul_div_down(amount.raw, priced[1], priced[0])
    else:
        burned_raw, assets_raw = mul_div_up(amount.raw, *priced), amount.raw
    allocations, rest_raw = list(state.allocations), assets_raw
    for at, allocation in enumerate(allocations):
        allocations[at], drawn_raw = _drawn(allocation, rest_raw)
        rest_raw -= drawn_raw
        if not rest_raw:
            break
    if rest_raw:
        raise InsufficientLiquidity(market_id=state.market.id, wanted_raw=assets_raw, available_raw=assets_raw - rest_raw)
    if burned_raw > held.shares_raw:
        what = f"shares of {state.market.id}"
        raise InsufficientBalance(what=what, wanted_raw=burned_raw, available_raw=held.shares_raw)
    after = replace(
        state,
        shares_raw=shares_raw - burned_raw,
        last_total_raw=total_raw - assets_raw,
        allocations=tuple(allocations),
    )
    return Applied(after, replace(held, shares_raw=held.shares_raw - burned_raw), _moved(state, assets_raw))


def _lent(allocation: Allocation, rest_raw: int) -> tuple[Allocation, int]:
    """As much of the rest as the cap leaves room for; a market that reverts is passed over."""
    loan = lending.updated(allocation.loan)
    worth_raw = lending.to_assets_up(allocation.held.shares_raw, loan.supplied_raw, loan.supply_shares_raw)
    amount = Amount(loan.market.asset, min(max(allocation.cap_raw - worth_raw, 0), rest_raw))
    try:
        done = lending.supply(loan, allocation.held, amount)
    except ActionRefused:
        return replace(allocation, loan=loan), 0
    return replace(allocation, loan=done.state, held=done.held), amount.raw


def _drawn(allocation: Allocation, rest_raw: int) -> tuple[Allocation, int]:
    """As much of the rest as is the vault's and not lent. What is worth so much can always be withdrawn, so no market reverts."""
    loan = lending.updated(allocation.loan)
    amount = Amount(loan.market.asset, min(_drawable_raw(loan, allocation.held), rest_raw))
    if not amount.raw:
        return replace(allocation, loan=loan), 0
    done = lending.withdraw(loan, allocation.held, amount)
    return replace(allocation, loan=done.state, held=done.held), amount.raw


def _worth_raw(now: LoanMarket, held: Position) -> int:
    return lending.supplied_of_raw(now, held.shares_raw)


def _drawable_raw(now: LoanMarket, held: Position) -> int:
    """MetaMorpho._withdrawable; the singleton's balance always covers what is not lent."""
    return min(_worth_raw(now, held), now.supplied_raw - now.owed_raw)


def _virtual_shares(market: Market) -> int:
    """What keeps the first depositor from being robbed: the fewer decimals the asset has, the more (DECIMALS_OFFSET)."""
    return int(10 ** max(18 - market.asset.decimals, 0))


def _moved(state: CuratedVault, raw: int) -> tuple[Amount, ...]:
    return (Amount(state.market.asset, raw),) if raw else ()


def _is_of(pinned: Market, market: Market, amount: Amount | Shares) -> bool:
    return market.id == pinned.id and amount.raw >= 0 and (isinstance(amount, Shares) or amount.asset == pinned.asset)


def _allocations(market: Market, configs: Sequence[bytes], answers: Sequence[bytes], timestamp: int) -> tuple[Allocation, ...]:
    found, first = list[Allocation](), 0
    for wrapped, config in zip(market.wraps, configs, strict=True):
        last = first + len(BLUE.reads(wrapped))
        loan = BLUE.decode(wrapped, answers[first:last], timestamp)
        held = BLUE.holding(wrapped, answers[last : last + 1])
        found.append(Allocation(loan, held, words(market, config, 3)[0]))
        first = last + 1
    return tuple(found)


def _each(market: Market, results: Sequence[bytes]) -> list[int]:
    return [words(market, result, 1)[0] for result in results]
