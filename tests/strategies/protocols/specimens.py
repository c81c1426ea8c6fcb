"""A specimen of each adapter for the laws: a state, a claim with enough of everything, and all that it writes."""

from collections.abc import Callable
from dataclasses import dataclass

from strategies.domain import (
    ALL,
    Amount,
    Asset,
    Borrow,
    Claim,
    ClaimRewards,
    Market,
    MarketAction,
    Position,
    Repay,
    SetCollateral,
    Shares,
    Stake,
    Supply,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.protocols import compound_v2, compound_v3, erc4626, stata, uniswap_v3
from strategies.protocols.aave_v3 import Reserve
from strategies.protocols.aave_v3.arithmetic import V3_0, V3_6
from strategies.protocols.adapter import Adapter
from strategies.protocols.recorded_index import RecordedIndex
from strategies.protocols.registry import ADAPTERS, MarketState
from strategies.protocols.wrapped_native import Wrapping
from tests.strategies.protocols import (
    aave_v3_rewards_case,
    compound_v3_case,
    lido_case,
    morpho_blue_case,
    test_compound_v2,
    test_curve,
    test_erc4626,
    test_pendle,
    test_sky_savings,
    test_stata,
    uniswap_router_case,
    uniswap_v3_case,
)
from tests.strategies.protocols.cases import ONE, recorded, reserve


@dataclass(frozen=True)
class Specimen:
    """What the laws are tried on. `writes` answers every kind of action that the adapter writes, of so many base units."""

    name: str
    state: MarketState
    held: Position
    writes: Callable[[Market, int], tuple[MarketAction, ...]]
    sizes: tuple[int, int]  # what `held` and the state allow for every one of them
    pool_raw: Callable[[MarketState, Asset], int] | None = None  # what the contract has of an asset; None: its state does not say
    dust_raw: int = 0  # how much of a supply rounding may keep when all of it is taken back at once
    gift_raw: int = 0  # how much it may add

    @property
    def market(self) -> Market:
        return self.state.market

    @property
    def adapter(self) -> Adapter[MarketState]:
        return ADAPTERS[self.market.protocol]


def lends(market: Market, raw: int) -> tuple[MarketAction, ...]:
    amount = Amount(market.asset, raw)
    return Supply(market, amount), Withdraw(market, amount), Withdraw(market, ALL)


def lends_and_borrows(market: Market, raw: int) -> tuple[MarketAction, ...]:
    amount = Amount(market.asset, raw)
    return *lends(market, raw), Borrow(market, amount), Repay(market, amount)


def liquidity_raw(state: MarketState, asset: Asset) -> int:
    assert isinstance(state, Reserve | RecordedIndex)
    return state.available_raw or 0


def lends_to_aave(market: Market, raw: int) -> tuple[MarketAction, ...]:
    return *lends_and_borrows(market, raw), SetCollateral(market, True), SetCollateral(market, False)


def earns_rewards(market: Market, raw: int) -> tuple[MarketAction, ...]:
    return *lends_to_aave(market, raw), ClaimRewards(market)


def aave(name: str, state: Reserve) -> Specimen:
    held = Position(state.market, 200_000 * ONE, 100_000 * ONE)
    return Specimen(name, state, held, lends_to_aave, (10, 50_000 * ONE), liquidity_raw, dust_raw=2, gift_raw=1)


def redeems(market: Market, raw: int) -> tuple[MarketAction, ...]:
    amount = Amount(market.asset, raw)
    return Supply(market, amount), Withdraw(market, amount), Withdraw(market, Shares(raw))


def nothing(market: Market, raw: int) -> tuple[MarketAction, ...]:
    """It reads and computes only."""
    return ()


def vault(name: str, state: erc4626.Vault) -> Specimen:
    held = Position(state.market, state.total_supply_raw // 9)
    return Specimen(name, state, held, redeems, (10, 50_000 * ONE), vault_raw, dust_raw=2)


def vault_raw(state: MarketState, asset: Asset) -> int:
    assert isinstance(state, erc4626.Vault)
    return state.held_raw


def stata_raw(state: MarketState, asset: Asset) -> int:
    assert isinstance(state, stata.Stata)
    return state.reserve.available_raw


def lends_to_comet(market: Market, raw: int) -> tuple[MarketAction, ...]:
    backing = Amount(compound_v3_case.WETH, raw)
    return *lends(market, raw), Supply(market, backing)


def borrows_from_comet(market: Market, raw: int) -> tuple[MarketAction, ...]:
    amount, backing = Amount(market.asset, raw), Amount(compound_v3_case.WETH, raw)
    return Borrow(market, amount), Repay(market, amount), Supply(market, backing), Withdraw(market, backing)


def redeems_and_borrows(market: Market, raw: int) -> tuple[MarketAction, ...]:
    amount = Amount(market.asset, raw)
    return *redeems(market, raw), Borrow(market, amount), Repay(market, amount)


def cash_raw(state: MarketState, asset: Asset) -> int:
    assert isinstance(state, compound_v2.LendingToken)
    return state.cash_raw


def comet_raw(state: MarketState, asset: Asset) -> int:
    assert isinstance(state, compound_v3.Comet)
    held_raw = {one.asset: one.supplied_raw for one in state.collaterals}
    return state.available_raw if asset == state.market.asset else held_raw[asset]


def exchange_raw(state: MarketState, asset: Asset) -> int:
    assert isinstance(state, uniswap_v3.Pool)
    return uniswap_v3_case.pool_raw(state, asset)


def wrapped_raw(state: MarketState, asset: Asset) -> int:
    """The contract has the coin, and owes as much of its token."""
    assert isinstance(state, Wrapping)
    return -state.total_wei if asset == state.market.asset else state.total_wei


def stakes(market: Market, raw: int) -> tuple[MarketAction, ...]:
    steth, wsteth = (Amount(asset, raw) for asset in market.others)
    staked = Stake(market, Amount(market.asset, raw))
    return staked, Unstake(market, steth), Claim(market, 41), Wrap(market, steth), Unwrap(market, wsteth)


SPECIMENS = (
    aave("aave_v3 V3.0", reserve(V3_0)),
    aave("aave_v3 V3.6", reserve(V3_6)),
    Specimen(
        *("aave_v3 with rewards", aave_v3_rewards_case.STATE, aave_v3_rewards_case.HELD, earns_rewards),
        sizes=(10, 50_000 * ONE),
        dust_raw=2,
        gift_raw=1,
    ),
    Specimen(
        *("recorded_index", recorded(), Position(recorded().market, 200_000 * ONE), lends),
        sizes=(10, 50_000 * ONE),
        pool_raw=liquidity_raw,
        dust_raw=2,
    ),
    Specimen(
        *("compound_v3, a lender", compound_v3_case.comet_state(), compound_v3_case.lender(), lends_to_comet),
        sizes=(10, 50_000 * ONE),
        pool_raw=comet_raw,
        dust_raw=2,
    ),
    Specimen(
        *("compound_v3, a borrower", compound_v3_case.comet_state(), compound_v3_case.borrower(), borrows_from_comet),
        sizes=(10, 40_000 * ONE),
        pool_raw=comet_raw,
        dust_raw=2,
    ),
    Specimen(
        *("compound_v2", test_compound_v2.vtoken(), test_compound_v2.claim(), redeems_and_borrows),
        sizes=(10, 50_000 * ONE),
        pool_raw=cash_raw,
        dust_raw=1,
    ),
    Specimen("lido", lido_case.lido_state(), lido_case.staker(), stakes, sizes=(100, 900 * 10**18)),
    Specimen(
        *("uniswap_v3", uniswap_v3_case.STATE, uniswap_v3_case.HELD, uniswap_v3_case.writes),
        sizes=(10**6, 10**10),
        pool_raw=exchange_raw,
    ),
    Specimen(
        *("uniswap_router", uniswap_router_case.STATE, Position(uniswap_router_case.ETHER_POOL, 0), uniswap_router_case.trades),
        sizes=(10**12, 10**16),
    ),
    Specimen(
        *("wrapped_native", uniswap_router_case.WRAPPING, Position(uniswap_router_case.WRAPPED, 0), uniswap_router_case.wraps),
        sizes=(1, 10**24),
        pool_raw=wrapped_raw,
    ),
    vault("erc4626 OpenZeppelin", test_erc4626.vault(1, 0)),
    vault("erc4626 OpenZeppelin, offset 6", test_erc4626.vault(1, 6)),
    vault("erc4626 Solmate", test_erc4626.vault(0, 0)),
    Specimen(
        *("stata", test_stata.static(), Position(test_stata.MARKET, 200_000 * ONE), redeems, (10, 50_000 * ONE), stata_raw),
        dust_raw=2,
    ),
    Specimen(
        *("morpho_blue", morpho_blue_case.BOOKED, morpho_blue_case.HELD, morpho_blue_case.lends_and_borrows),
        sizes=(10, 10_000 * ONE),
        dust_raw=1,
    ),
    Specimen(
        *("metamorpho", morpho_blue_case.BOOKED_VAULT, morpho_blue_case.VAULT_HELD, morpho_blue_case.deposits),
        sizes=(10, 50_000 * ONE),
        dust_raw=2,
    ),
    Specimen("sky_savings", test_sky_savings.savings(), Position(test_sky_savings.savings().market, 10**24), nothing, (1, 2)),
    Specimen("curve", test_curve.POOL, test_curve.HELD, nothing, (1, 2)),
    Specimen("pendle", test_pendle.STATE, test_pendle.HELD, nothing, (1, 2)),
)
