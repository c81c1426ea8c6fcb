"""Compound V2 as Venus runs it: read a vToken, accrue it, apply to it, speak its calldata and read that back.

Interest is per block: the state carries its block, and time becomes blocks by the pinned `block_milliseconds`, begun blocks not
counted; where the chain keeps another pace, the next read says so. Refuses, by name: a vToken whose asset, comptroller, oracle,
rate model or first exchange rate is not the pinned one; a redemption fee; a flash loan under way; an unlisted market; no price;
reserves with nowhere to go; an account in a pool of its own (eMode); a first borrowing where entering the market is paused;
writing a repayment of everything, whose approval cannot be exact. A supply backs only a debt of its own market, where membership
is certain. The contract shows no account's principal and index but their rounded quotient: a debt that was read is known to one
base unit until the account touches it. A simulation must find what is not read: the account's other markets, Prime's hooks."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Final

from strategies.domain import Address, Amount, Borrow, Entire, Market, MarketAction, Position, Repay, Shares, Supply, Withdraw
from strategies.errors import ActionRefused, IncompleteRead, InsufficientLiquidity, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency, Uint
from strategies.protocols.answers import words
from strategies.units import MAX_UINT256, RAY, SECONDS_PER_YEAR, WAD, mul_div_down, mul_div_up

STORED: Final = tuple(map(Function, ("6c540baf", "aa5af0fd", "3b1d21a2", "47bd3718", "8f840ddd", "18160ddd", "173b9904")))
REDUCTION: Final = tuple(map(Function, ("d1109c2f", "ae96f141")))  # how often the reserves leave, and when they last did
CURVE: Final = tuple(map(Function, ("f14039de", "8726bb89", "b9f9850a", "fd2da339")))
CAPS: Final = tuple(Function(selector, ADDRESS) for selector in ("02c3bcbb", "4a584432"))  # of supply, of borrowing
PARTS: Final = tuple(map(Function, ("6f307dc3", "5fe3b567", "f3fdb15a", "182df0f5", "73843962", "e9a44fd9")))
RULES: Final = tuple(map(Function, ("7dc0d1d0", "04ef9d58", "425fad58")))  # oracle, redemption fee, all is paused
ACTION_PAUSED: Final = Function("e85a2960", ADDRESS, Uint(8))
MARKETS, PRICE = Function("8e8f294b", ADDRESS), Function("fc57d4df", ADDRESS)
BLOCK_NUMBER: Final = Function("42cbb15c")  # of Multicall3
SNAPSHOT, POOL = Function("c37f68e2", ADDRESS), Function("73769099", ADDRESS)

MINT, REDEEM, REDEEM_UNDERLYING = Function("a0712d68", UINT256), Function("db006a75", UINT256), Function("852a12e3", UINT256)
BORROW, REPAY_BORROW = Function("c5ebeaec", UINT256), Function("0e752702", UINT256)
WRITES: Final[Mapping[tuple[type, type], Function]] = {
    (Supply, Amount): MINT,
    (Withdraw, Shares): REDEEM,
    (Withdraw, Amount): REDEEM_UNDERLYING,
    (Borrow, Amount): BORROW,
    (Repay, Amount): REPAY_BORROW,
}
GAS: Final[Mapping[type, int]] = {Supply: 200_000, Withdraw: 135_000, Borrow: 260_000, Repay: 140_000}

MINTING, REDEEMING, BORROWING, REPAYING, ENTERING = PAUSABLE = 0, 1, 2, 3, 7  # ComptrollerInterface.Action
MOST_WAD: Final = 5 * 10**12  # of a block: VTokenStorage.borrowRateMaxMantissa
DEBT_SCALE: Final = WAD * RAY  # above any product of two indices, so that a quotient rounded up loses no unit when it is used


@dataclass(frozen=True, slots=True)
class LendingToken:
    """A vToken as its last accrual left it, and the block it is now."""

    market: Market
    timestamp: int
    block: int
    accrual_block: int
    index_wad: int
    cash_raw: int
    borrows_raw: int
    reserves_raw: int
    shares_raw: int
    reserve_factor_wad: int
    reduction_blocks: int
    reduction_block: int
    base_wad: int  # the curve is of a block
    slope_wad: int
    jump_wad: int
    kink_wad: int
    supply_cap_raw: int
    borrow_cap_raw: int
    price_e36: int  # USD of a base unit
    _: KW_ONLY
    threshold_wad: int
    paused: tuple[int, ...]
    since_milliseconds: int = 0  # of the block that has begun


class CompoundV2:
    """The adapter of Compound V2's lineage."""

    protocol: Final = "compound_v2"
    arrival_bound_raw: Final = 0  # the model is exact

    def reads(self, market: Market) -> tuple[Call, ...]:
        """The block, the vToken, its curve, caps and price; what must be as pinned or zero, what is paused, its terms."""
        at, rules = market.address, market.contract("comptroller")
        return (
            Call(market.contract("multicall"), BLOCK_NUMBER.encode()),
            *(Call(at, getter.encode()) for getter in (*STORED, *REDUCTION)),
            *(Call(market.contract("rate_model"), getter.encode()) for getter in CURVE),
            *(Call(rules, getter.encode(at)) for getter in CAPS),
            Call(market.contract("oracle"), PRICE.encode(at)),
            *(Call(at, getter.encode()) for getter in PARTS),
            *(Call(rules, getter.encode()) for getter in RULES),
            *(Call(rules, ACTION_PAUSED.encode(at, action)) for action in PAUSABLE),
            Call(rules, MARKETS.encode(at)),
        )

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> LendingToken:
        """The vToken as it was answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.reads(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        said = [words(market, result, 1)[0] for result in results[:-1]]
        is_listed, _, _, threshold_wad, _, _, is_lent = words(market, results[-1], 7)
        rate_wad, loan_raw, collector, oracle, fee_wad, all_paused, *paused = said[20:]
        paused[BORROWING] |= not is_lent
        stopped = tuple(action for action, is_so in zip(PAUSABLE, paused, strict=True) if is_so or all_paused)
        state = LendingToken(market, timestamp, *said[:17], threshold_wad=threshold_wad, paused=stopped)
        pinned = [market.asset.address, *map(market.contract, ("comptroller", "rate_model", "oracle"))]
        for what, is_so in (
            ("its parts are not the pinned contracts", [*said[17:20], oracle] != [int(address, 16) for address in pinned]),
            ("its exchange rate is not what its numbers make", rate_wad != exchange_rate_wad(state)),
            ("accrued later than it was read", state.accrual_block > state.block),
            ("an index below one", state.index_wad < WAD),
            ("reserves with nowhere to go", not collector),
            (f"a redemption fee of {fee_wad} (1e18)", fee_wad),
            ("a flash loan under way", loan_raw),
            ("not listed", not is_listed),
            ("no price", not state.price_e36),
        ):
            if is_so:
                raise UnsupportedState(market_id=market.id, what=what)
        return state

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """Its vTokens and debt, the index that the debt is said at, and its pool."""
        snapshot, index = Call(market.address, SNAPSHOT.encode(account)), Call(market.address, STORED[1].encode())
        return snapshot, index, Call(market.contract("comptroller"), POOL.encode(account))

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's vTokens and scaled debt. Raises IncompleteRead, UnsupportedState."""
        if len(results) != 3:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        error, shares_raw, debt_raw, _ = words(market, results[0], 4)
        index_wad, pool = (words(market, result, 1)[0] for result in results[1:])
        if error or pool:
            raise UnsupportedState(market_id=market.id, what=f"the account is in pool {pool}, its snapshot's error is {error}")
        if index_wad < WAD:
            raise UnsupportedState(market_id=market.id, what="an index below one")
        return Position(market, shares_raw, scaled_up(debt_raw, index_wad))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The vToken keeps both."""
        return market.address, market.address

    def columns(self, state: LendingToken) -> Columns:
        """Rates at the stored utilisation, which stand until the next accrual (JumpRateModel.getSupplyRate)."""
        one, now, usage = 10**state.market.asset.decimals, touched(state), utilisation_wad(state) / WAD
        borrow_apr = borrow_rate_wad(state) / WAD * SECONDS_PER_YEAR * 1_000 / state.market.number("block_milliseconds")
        supply_apr = borrow_apr * usage * (1 - state.reserve_factor_wad / WAD)
        return Columns(supply_apr, borrow_apr, usage, supplied_raw(now, now.shares_raw) / one, now.cash_raw / one)

    def accrue(self, state: LendingToken, seconds: int) -> LendingToken:
        """Only blocks pass: the vToken writes its interest when it is touched, and it is computed from there."""
        elapsed, a_block = state.since_milliseconds + 1_000 * seconds, state.market.number("block_milliseconds")
        later, block = state.timestamp + seconds, state.block + elapsed // a_block
        return replace(state, timestamp=later, block=block, since_milliseconds=elapsed % a_block)

    def apply(self, state: LendingToken, held: Position, action: MarketAction) -> Applied[LendingToken]:
        """One action at the state's block. Raises ProtocolError where the vToken reverts."""
        now = touched(state)
        match action:
            case Supply(market=market, amount=amount) if _is_of(state, market, amount):
                return mint(now, held, amount.raw)
            case Withdraw(market=market, amount=Amount() | Shares() as amount) if _is_of(state, market, amount):
                return redeem(now, held, amount)
            case Borrow(market=market, amount=amount) if _is_of(state, market, amount):
                return borrow(now, held, amount.raw)
            case Repay(market=market, amount=Amount() | Entire() as amount) if _is_of(state, market, amount):
                return repay(now, held, amount.raw if isinstance(amount, Amount) else MAX_UINT256)
        raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this market and asset: {action}")

    def value_raw(self, state: LendingToken, held: Position) -> int:
        """VToken.balanceOfUnderlying less borrowBalanceCurrent."""
        now = touched(state)
        return supplied_raw(now, held.shares_raw) - owed_raw(now, held.debt_raw)

    def withdrawable_raw(self, state: LendingToken) -> int:
        """The cash; nothing while redeeming is paused."""
        return 0 if REDEEMING in state.paused else touched(state).cash_raw

    def price_usd_e8(self, state: LendingToken) -> int | None:
        """The price of the comptroller's oracle."""
        return state.price_e36 * int(10**state.market.asset.decimals) // 10**28

    def solvency(self, state: LendingToken, held: Position) -> Solvency:
        """ComptrollerLens with thresholds, rounded against the account; a supply without a debt may not have entered."""
        now, threshold_wad = touched(state), state.threshold_wad if held.debt_raw else 0
        weight_wad = mul_div_down(mul_div_down(threshold_wad, exchange_rate_wad(now), WAD), state.price_e36, WAD)
        debt_usd_e8 = mul_div_up(owed_raw(now, held.debt_raw), state.price_e36, 10**28)
        return Solvency(state.market.contract("comptroller"), mul_div_down(weight_wad, held.shares_raw, 10**28), debt_usd_e8)

    def everything(self, held: Position) -> Entire | Shares:
        """The vToken has no word for all: its shares are named."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The vToken."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain, approval included."""
        return GAS[type(action)]

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """The vToken's call for its sender, after the exact approval where it takes the asset. Raises UnknownCall."""
        if not isinstance(action, Supply | Withdraw | Borrow | Repay) or isinstance(action.amount, Entire):
            raise UnknownCall(f"Compound V2 writes no {action}")
        market, amount = action.market, action.amount
        function, of_it = WRITES.get((type(action), type(amount))), isinstance(amount, Shares) or amount.asset == market.asset
        if function is None or not of_it or not 0 < amount.raw < MAX_UINT256:
            raise UnknownCall(f"Compound V2 writes no {action}")
        written = Call(market.address, function.encode(amount.raw))
        if isinstance(amount, Amount) and function in (MINT, REPAY_BORROW):
            return erc20.approve_exactly(amount, market.address), written
        return (written,)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> MarketAction | None:
        """Bytes back to meaning; None for another vToken, a value, a function for someone else, or one unread byte."""
        market = next((known for known in markets if known.address == call.target), None)
        kind, unit = next((key for key, known in WRITES.items() if known.selector == call.data[:4]), (None, None))
        if market is None or kind is None or call.value_wei or len(call.data) != MINT.size:
            return None
        raw = int.from_bytes(call.data[4:], "big")
        if raw == MAX_UINT256:
            return Repay(market, Entire.ALL) if kind is Repay else None
        action: MarketAction = kind(market, Shares(raw) if unit is Shares else Amount(market.asset, raw))
        return action if raw else None


def utilisation_wad(state: LendingToken) -> int:
    """JumpRateModel.utilizationRate."""
    lent_raw = state.cash_raw + state.borrows_raw - state.reserves_raw
    if state.borrows_raw and lent_raw <= 0:
        raise ActionRefused(market_id=state.market.id, why="its reserves are all that it has")
    return mul_div_down(state.borrows_raw, WAD, lent_raw) if state.borrows_raw else 0


def borrow_rate_wad(state: LendingToken) -> int:
    """JumpRateModel.getBorrowRate, of a block; each product is rounded down."""
    usage_wad = utilisation_wad(state)
    above_wad = max(usage_wad - state.kink_wad, 0)
    normal_wad = mul_div_down(usage_wad - above_wad, state.slope_wad, WAD) + state.base_wad
    return mul_div_down(above_wad, state.jump_wad, WAD) + normal_wad


def exchange_rate_wad(state: LendingToken) -> int:
    """VToken.exchangeRateStored, rounded down; the pinned first rate where there is no share."""
    if not state.shares_raw:
        return state.market.number("first_rate_wad")
    return mul_div_down(state.cash_raw + state.borrows_raw - state.reserves_raw, WAD, state.shares_raw)


def supplied_raw(state: LendingToken, shares_raw: int) -> int:
    """Exponential.mulScalarTruncate of the exchange rate."""
    return mul_div_down(exchange_rate_wad(state), shares_raw, WAD)


def owed_raw(state: LendingToken, debt_raw: int) -> int:
    """VToken.borrowBalanceStored, rounded down: principal times index over the account's index."""
    return mul_div_down(debt_raw, state.index_wad, DEBT_SCALE)


def scaled_up(owed: int, index_wad: int) -> int:
    """A principal and its index as one number, rounded up by less than any later index can show."""
    return mul_div_up(owed, DEBT_SCALE, index_wad)


def touched(state: LendingToken) -> LendingToken:
    """VToken.accrueInterest: simple interest since the last accrual; then the reserves leave when that is due."""
    blocks, rate_wad = state.block - state.accrual_block, borrow_rate_wad(state)
    if not blocks:
        return state
    if rate_wad > MOST_WAD:
        raise ActionRefused(market_id=state.market.id, why=f"a borrow rate of {rate_wad} a block (1e18) is absurdly high")
    interest_raw = mul_div_down(rate_wad * blocks, state.borrows_raw, WAD)
    reserves_raw = state.reserves_raw + mul_div_down(state.reserve_factor_wad, interest_raw, WAD)
    is_due = state.block - state.reduction_block >= state.reduction_blocks
    leaving_raw = min(state.cash_raw, reserves_raw) if is_due else 0
    return replace(
        state,
        accrual_block=state.block,
        index_wad=state.index_wad + mul_div_down(rate_wad * blocks, state.index_wad, WAD),
        cash_raw=state.cash_raw - leaving_raw,
        borrows_raw=state.borrows_raw + interest_raw,
        reserves_raw=reserves_raw - leaving_raw,
        reduction_block=state.block if is_due else state.reduction_block,
    )


def mint(now: LendingToken, held: Position, raw: int) -> Applied[LendingToken]:
    """VToken.mintFresh after PolicyFacet.mintAllowed."""
    _open(now, MINTING)
    _below(now, supplied_raw(now, now.shares_raw) + raw, now.supply_cap_raw)
    return _flowed(now, held, -raw, shares_raw=_shares_down(now, raw), debt_raw=held.debt_raw)


def redeem(now: LendingToken, held: Position, amount: Amount | Shares) -> Applied[LendingToken]:
    """VToken.redeemFresh, then PolicyFacet.redeemVerify: what costs no share is not paid."""
    _open(now, REDEEMING)
    by_shares = isinstance(amount, Shares) and amount.raw > 0
    shares_raw = amount.raw if by_shares else _shares_down(now, amount.raw)
    raw = supplied_raw(now, shares_raw) if by_shares else amount.raw
    if shares_raw > held.shares_raw or (raw and not shares_raw):
        raise ActionRefused(market_id=now.market.id, why=f"{raw} base units cost {shares_raw} of {held.shares_raw} shares")
    return _flowed(now, held, raw, shares_raw=-shares_raw, debt_raw=held.debt_raw)


def borrow(now: LendingToken, held: Position, raw: int) -> Applied[LendingToken]:
    """VToken.borrowFresh after PolicyFacet.borrowAllowed; a first borrowing enters the market."""
    _open(now, BORROWING, *(() if held.debt_raw else (ENTERING,)))
    _below(now, now.borrows_raw + raw, now.borrow_cap_raw)
    debt_raw = scaled_up(owed_raw(now, held.debt_raw) + raw, now.index_wad)
    return _flowed(replace(now, borrows_raw=now.borrows_raw + raw), held, raw, shares_raw=0, debt_raw=debt_raw)


def repay(now: LendingToken, held: Position, most_raw: int) -> Applied[LendingToken]:
    """VToken.repayBorrowFresh: at most what is owed. The last debt may exceed the total, which is rounded apart, and reverts."""
    _open(now, REPAYING)
    owed = owed_raw(now, held.debt_raw)
    raw = min(most_raw, owed)
    if raw > now.borrows_raw:
        raise ActionRefused(market_id=now.market.id, why=f"{raw} is owed, {now.borrows_raw} by all")
    debt_raw = scaled_up(owed - raw, now.index_wad)
    return _flowed(replace(now, borrows_raw=now.borrows_raw - raw), held, -raw, shares_raw=0, debt_raw=debt_raw)


def _flowed(now: LendingToken, held: Position, raw: int, *, shares_raw: int, debt_raw: int) -> Applied[LendingToken]:
    if raw > now.cash_raw:
        raise InsufficientLiquidity(market_id=now.market.id, wanted_raw=raw, available_raw=now.cash_raw)
    after = replace(now, cash_raw=now.cash_raw - raw, shares_raw=now.shares_raw + shares_raw)
    later = replace(held, shares_raw=held.shares_raw + shares_raw, debt_raw=debt_raw)
    return Applied(after, later, (Amount(now.market.asset, raw),) if raw else ())


def _shares_down(now: LendingToken, raw: int) -> int:
    """Exponential.divScalarByExpTruncate, which scales twice before it divides."""
    rate_wad = exchange_rate_wad(now)
    if not rate_wad or raw * WAD * WAD > MAX_UINT256:
        raise ActionRefused(market_id=now.market.id, why="math error")
    return mul_div_down(raw, WAD, rate_wad)


def _open(now: LendingToken, *actions: int) -> None:
    if stopped := set(actions).intersection(now.paused):
        raise ActionRefused(market_id=now.market.id, why=f"actions {stopped} of the comptroller are paused")


def _below(now: LendingToken, raw: int, cap_raw: int) -> None:
    """PolicyFacet: a cap of zero refuses even nothing."""
    if raw > cap_raw or not cap_raw:
        raise ActionRefused(market_id=now.market.id, why=f"{raw} is above its cap of {cap_raw}")


def _is_of(state: LendingToken, market: Market, amount: Amount | Shares | Entire) -> bool:
    return market.id == state.market.id and (not isinstance(amount, Amount) or amount.asset == state.market.asset)
