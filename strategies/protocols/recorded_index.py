"""A market known only by recorded rates: an index built from them, no curve behind it and no contract.

Its results are therefore not exact: supplying moves no rate, or, where a state says what all lenders together have there, thins
it. Its calldata is a notation of its own, which the guard reads back as it would a contract's and which no chain answers. Refuses
chain reads, borrowing, repaying, and withdrawals above the recorded liquidity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from strategies.domain import ALL, Action, Address, Amount, Entire, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import ActionRefused, InsufficientBalance, InsufficientLiquidity, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency
from strategies.units import MAX_UINT256, RAY, SECONDS_PER_YEAR, WAD, mul_div_down, mul_div_half_up, mul_div_up

SUPPLY: Final = Function("8b2a4df5", ADDRESS, UINT256, ADDRESS)
WITHDRAW: Final = Function("69328dec", ADDRESS, UINT256, ADDRESS)

CALLS: Final = {function.selector: function for function in (SUPPLY, WITHDRAW)}

SUPPLY_GAS: Final = 225_000  # as measured for Aave V3, approval included
WITHDRAW_GAS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Kinked:
    """What borrowers pay at a utilisation: two slopes, in ray per year (DefaultReserveInterestRateStrategyV2)."""

    optimal_ray: int  # between 0 and RAY, both left out
    base_ray: int
    slope1_ray: int
    slope2_ray: int

    def borrow_ray(self, usage_ray: int) -> int:
        """The rate, rounded down (calculateInterestRates)."""
        if usage_ray <= self.optimal_ray:
            return self.base_ray + mul_div_down(self.slope1_ray, usage_ray, self.optimal_ray)
        excess_ray = usage_ray - self.optimal_ray
        return self.base_ray + self.slope1_ray + mul_div_down(self.slope2_ray, excess_ray, RAY - self.optimal_ray)


@dataclass(frozen=True, slots=True)
class RecordedIndex:
    """What a record said at one time, and how long ago that was."""

    market: Market
    timestamp: int  # the time the state is true for
    index_ray: int  # asset per share at the record
    supply_rate_ray: int  # per year
    borrow_rate_ray: int | None  # None, as below: not recorded
    utilisation_wad: int | None
    available_raw: int | None
    price_usd_e8: int | None
    accrued_seconds: int = 0  # since the record; kept apart so that a then b equals a+b
    supplied_raw: int | None = None  # by all others, where our own size thins the rate; None: it does not
    curve: Kinked | None = None  # None: borrowers pay what was recorded, whatever we add
    own_raw: int = 0  # what our own calls left there


class RecordedIndexes:
    """The adapter of recorded markets."""

    @property
    def protocol(self) -> str:
        return "recorded_index"

    @property
    def arrival_bound_raw(self) -> int:
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        return ()

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> RecordedIndex:
        """No chain can say it. Raises UnsupportedState."""
        _off_chain(market)

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        return ()

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """No chain can say it. Raises UnsupportedState."""
        _off_chain(market)

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """Shares are counted at the market's own notional address."""
        return market.address, None

    def columns(self, state: RecordedIndex) -> Columns:
        """What was recorded; what was not is NaN."""
        one = 10**state.market.asset.decimals
        available = float("nan") if state.available_raw is None else state.available_raw / one
        utilisation = float("nan") if state.utilisation_wad is None else state.utilisation_wad / WAD
        unused = 1 - utilisation
        return Columns(
            supply_apr=thinned_ray(state) / RAY,
            borrow_apr=float("nan") if state.borrow_rate_ray is None else state.borrow_rate_ray / RAY,
            utilisation=utilisation,
            supplied=available / unused if unused > 0 else float("nan"),
            available=available,
        )

    def accrue(self, state: RecordedIndex, seconds: int) -> RecordedIndex:
        """Only time passes; the index grows linearly from its record, as Aave's supply side does between touches."""
        return _later(state, seconds, state.available_raw, state.own_raw)

    def apply(self, state: RecordedIndex, held: Position, action: MarketAction) -> Applied[RecordedIndex]:
        """Shares are rounded against the holder both ways; the rate stays as recorded, or is thinned by what is then ours."""
        asset = state.market.asset
        match action:
            case Supply(market=market, amount=Amount() as amount) if market.id == state.market.id and amount.asset == asset:
                return _supply(state, held, amount)
            case Withdraw(market=market, amount=Amount() as amount) if market.id == state.market.id and amount.asset == asset:
                return _withdraw(state, held, amount.raw)
            case Withdraw(market=market, amount=Entire.ALL) if market.id == state.market.id:
                return _withdraw(state, held, self.value_raw(state, held))
            case _:
                raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this market and asset: {action}")

    def value_raw(self, state: RecordedIndex, held: Position) -> int:
        """Shares times index, rounded down."""
        return value_down(held.shares_raw, index_now_ray(state))

    def withdrawable_raw(self, state: RecordedIndex) -> int:
        """The recorded liquidity; without a record the whole of it is assumed liquid."""
        return MAX_UINT256 if state.available_raw is None else state.available_raw

    def price_usd_e8(self, state: RecordedIndex) -> int | None:
        return state.price_usd_e8

    def solvency(self, state: RecordedIndex, held: Position) -> Solvency:
        """Nothing can be borrowed against it."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """As Aave says it."""
        return ALL

    def spender(self, action: MarketAction) -> Address:
        """The notation's own market."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """What the same action burns on Aave V3."""
        return SUPPLY_GAS if isinstance(action, Supply) else WITHDRAW_GAS

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """The notation of an action. Raises UnknownCall."""
        match action:
            case Supply(market=market, amount=amount) if _is_written(market, amount):
                supply = _written(SUPPLY, market, amount.raw, account)
                return erc20.approve_exactly(amount, market.address), supply
            case Withdraw(market=market, amount=Amount() as amount) if _is_written(market, amount):
                return (_written(WITHDRAW, market, amount.raw, account),)
            case Withdraw(market=market, amount=Entire.ALL):
                return (_written(WITHDRAW, market, MAX_UINT256, account),)
            case _:
                raise UnknownCall(f"a recorded index cannot write {action}")

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """The notation read back; None for another beneficiary or one unread byte."""
        function = CALLS.get(call.data[:4])
        if function is None or call.value_wei:
            return None
        try:
            asset, raw, beneficiary = function.decode(call.data)
        except ValueError:
            return None
        market = next((m for m in markets if m.address == call.target and m.asset.address == asset), None)
        if market is None or beneficiary != account or raw == 0:
            return None
        if function is SUPPLY:
            return Supply(market, Amount(market.asset, int(raw)))
        return Withdraw(market, ALL if raw == MAX_UINT256 else Amount(market.asset, int(raw)))


def index_now_ray(state: RecordedIndex) -> int:
    """Asset per share at the state's time."""
    if not state.accrued_seconds:
        return state.index_ray
    growth_ray = RAY + state.supply_rate_ray * state.accrued_seconds // SECONDS_PER_YEAR
    return mul_div_half_up(state.index_ray, growth_ray, RAY)


def thinned_ray(state: RecordedIndex) -> int:
    """What lenders earn with our own among them, rounded down: the recorded interest over all that is lent, and with a curve also
    less of it, because the same debt is then a smaller part (supply = borrow × utilisation × (1 - reserve factor))."""
    others_raw, own_raw = state.supplied_raw, state.own_raw
    if others_raw is None or not own_raw:
        return state.supply_rate_ray
    thinned = mul_div_down(state.supply_rate_ray, others_raw, others_raw + own_raw)
    if state.curve is None or state.utilisation_wad is None:
        return thinned
    before_ray = state.utilisation_wad * (RAY // WAD)
    paid_before_ray = state.curve.borrow_ray(before_ray)
    paid_after_ray = state.curve.borrow_ray(mul_div_down(before_ray, others_raw, others_raw + own_raw))
    return mul_div_down(thinned, paid_after_ray, paid_before_ray) if paid_before_ray else thinned


def value_down(shares_raw: int, index_ray: int) -> int:
    """What shares are worth in the asset."""
    return mul_div_down(shares_raw, index_ray, RAY)


def shares_bought_down(raw: int, index_ray: int) -> int:
    """Shares that an amount of the asset buys."""
    return mul_div_down(raw, RAY, index_ray)


def shares_sold_up(raw: int, index_ray: int) -> int:
    """Shares that an amount of the asset costs."""
    return mul_div_up(raw, RAY, index_ray)


def _supply(state: RecordedIndex, held: Position, amount: Amount) -> Applied[RecordedIndex]:
    shares_raw = shares_bought_down(amount.raw, index_now_ray(state))
    if shares_raw <= 0:
        raise ActionRefused(market_id=state.market.id, why="the amount buys no share")
    return _moved(state, held, shares_raw, -amount.raw)


def _withdraw(state: RecordedIndex, held: Position, wanted_raw: int) -> Applied[RecordedIndex]:
    index_ray = index_now_ray(state)
    owned_raw = value_down(held.shares_raw, index_ray)
    if wanted_raw <= 0:
        raise ActionRefused(market_id=state.market.id, why="nothing would be withdrawn")
    if wanted_raw > owned_raw:
        raise InsufficientBalance(what=f"supplied to {state.market.id}", wanted_raw=wanted_raw, available_raw=owned_raw)
    if state.available_raw is not None and wanted_raw > state.available_raw:
        raise InsufficientLiquidity(market_id=state.market.id, wanted_raw=wanted_raw, available_raw=state.available_raw)
    shares_raw = held.shares_raw if wanted_raw == owned_raw else shares_sold_up(wanted_raw, index_ray)
    return _moved(state, held, -shares_raw, wanted_raw)


def _moved(state: RecordedIndex, held: Position, shares_raw: int, asset_delta_raw: int) -> Applied[RecordedIndex]:
    available_raw = None if state.available_raw is None else state.available_raw - asset_delta_raw
    after = Position(held.market, held.shares_raw + shares_raw, held.debt_raw)
    own_raw = 0 if state.supplied_raw is None else value_down(after.shares_raw, index_now_ray(state))
    return Applied(_later(state, 0, available_raw, own_raw), after, (Amount(state.market.asset, asset_delta_raw),))


def _later(state: RecordedIndex, seconds: int, available_raw: int | None, own_raw: int) -> RecordedIndex:
    """The record so many seconds on; built field by field, because `replace` is four times as slow and backtests live here."""
    return RecordedIndex(
        state.market,
        state.timestamp + seconds,
        state.index_ray,
        state.supply_rate_ray,
        state.borrow_rate_ray,
        state.utilisation_wad,
        available_raw,
        state.price_usd_e8,
        state.accrued_seconds + seconds,
        state.supplied_raw,
        state.curve,
        own_raw,
    )


def _is_written(market: Market, amount: Amount) -> bool:
    return amount.asset == market.asset and 0 < amount.raw < MAX_UINT256


def _written(function: Function, market: Market, raw: int, account: Address) -> Call:
    try:
        return Call(market.address, function.encode(market.asset.address, raw, account))
    except ValueError as error:
        raise UnknownCall(str(error)) from error


def _off_chain(market: Market) -> NoReturn:
    raise UnsupportedState(market_id=market.id, what="it exists only on a tape of recorded rates")
