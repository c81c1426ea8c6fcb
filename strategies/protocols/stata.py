"""StataTokenV2, the static wrapper of an Aave V3.6 reserve: read it, apply to it, speak its calldata and read that back.

Refuses wrappers of pools of another version, of another asset or another aToken than the pinned reserve's, and everything that
the wrapped adapter refuses to read. Limits are the contract's own and enforced, so they are computed from the reserve and never
asked; one lies: `maxDeposit` forgets what the treasury earned since the last touch, and the pool refuses that much of it. Rewards
count zero. Claims of them, deposits of aTokens, redemptions into aTokens and rescues are not written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Action, Address, Amount, Entire, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import ActionRefused, IncompleteRead, InsufficientBalance
from strategies.protocols import erc20, vault_calls
from strategies.protocols.aave_v3 import SCALED_BALANCE_OF, AaveV3
from strategies.protocols.aave_v3 import reserve as pool
from strategies.protocols.aave_v3.arithmetic import V3_6
from strategies.protocols.aave_v3.reserve import Reserve
from strategies.protocols.aave_v3.rewards import controller
from strategies.protocols.adapter import Applied, Call, Columns, Function, Solvency
from strategies.protocols.answers import refuse
from strategies.units import MAX_UINT256, RAY, mul_div_down, mul_div_up

ASSET: Final = Function("38d52e0f")
A_TOKEN: Final = Function("a0c1f15e")
PAUSED: Final = Function("5c975abb")
TOTAL_SUPPLY: Final = Function("18160ddd")

AAVE: Final = AaveV3()
OWN_READS: Final = 5  # before the reserve's
SUPPLY_GAS: Final = 275_000
WITHDRAW_GAS: Final = 220_000
REWARDS_GAS: Final = 40_000  # counting them twice, for the wrapper and for its holder


@dataclass(frozen=True, slots=True)
class Stata:
    """A wrapper and the reserve it wraps; the reserve's time is its time."""

    market: Market
    reserve: Reserve
    total_supply_raw: int
    backing_scaled_raw: int  # its own aTokens, at least one scaled unit a share
    paused: bool

    @property
    def timestamp(self) -> int:
        """The time it is true for."""
        return self.reserve.timestamp


def wrapped(market: Market) -> Market:
    """The reserve's market. Raises ValueError where the deployment wraps none, or another protocol's."""
    if len(market.wraps) != 1 or market.wraps[0].protocol != AAVE.protocol or market.wraps[0].asset != market.asset:
        raise ValueError(f"{market.id} wraps one Aave reserve of its asset")
    return market.wraps[0]


def shares_of_assets_down(state: Stata, assets_raw: int) -> int:
    """previewDeposit and convertToShares: at Aave's normalized income."""
    return mul_div_down(assets_raw, RAY, pool.income_ray(state.reserve))


def shares_of_assets_up(state: Stata, assets_raw: int) -> int:
    """previewWithdraw."""
    return mul_div_up(assets_raw, RAY, pool.income_ray(state.reserve))


def assets_of_shares_down(state: Stata, shares_raw: int) -> int:
    """previewRedeem and convertToAssets."""
    return mul_div_down(shares_raw, pool.income_ray(state.reserve), RAY)


def assets_of_shares_up(state: Stata, shares_raw: int) -> int:
    """previewMint."""
    return mul_div_up(shares_raw, pool.income_ray(state.reserve), RAY)


def max_deposit_raw(state: Stata) -> int:
    """maxDeposit: what the supply cap leaves beside the treasury's share as last written, rounded against the depositor."""
    reserve, limits = state.reserve, state.reserve.configuration
    if not limits.active or limits.paused or limits.frozen:
        return 0
    if limits.supply_cap == 0:
        return MAX_UINT256
    supplied_raw = mul_div_up(reserve.scaled_supply_raw + reserve.treasury_scaled_raw, pool.income_ray(reserve), RAY)
    cap_raw: int = limits.supply_cap * 10**limits.decimals
    return max(0, cap_raw - supplied_raw)


def max_redeem_raw(state: Stata, shares_raw: int) -> int:
    """maxRedeem of who has so many shares: no more than the pool's liquidity buys."""
    limits = state.reserve.configuration
    if not limits.active or limits.paused:
        return 0
    return min(shares_raw, shares_of_assets_down(state, state.reserve.available_raw))


def max_withdraw_raw(state: Stata, shares_raw: int) -> int:
    """maxWithdraw of who has so many shares."""
    return assets_of_shares_down(state, max_redeem_raw(state, shares_raw))


class StataV2:
    """The adapter of static wrappers."""

    @property
    def protocol(self) -> str:
        return "stata"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """The wrapper's own words, then its reserve's. Raises KeyError, ValueError where the reserve is missing."""
        reserve, at = wrapped(market), market.address
        return (
            Call(at, ASSET.encode()),
            Call(at, A_TOKEN.encode()),
            Call(at, TOTAL_SUPPLY.encode()),
            Call(at, PAUSED.encode()),
            Call(reserve.contract("receipt"), SCALED_BALANCE_OF.encode(at)),
            *AAVE.reads(reserve),
        )

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> Stata:
        """The wrapper as it answered. Raises IncompleteRead, UnsupportedState."""
        reserve = AAVE.decode(wrapped(market), results[OWN_READS:], timestamp)
        words = [erc20.read_amount(result, market.id) for result in results[:OWN_READS]]
        asset, receipt, total_supply_raw, paused, backing_scaled_raw = words
        refuse(market, "its asset is not the pinned one", asset != int(market.asset.address, 16))
        refuse(market, "its aToken is not its reserve's", receipt != int(reserve.market.contract("receipt"), 16))
        refuse(market, f"a wrapper of a pool of {reserve.version.name}", reserve.version is not V3_6)
        return Stata(market, reserve, total_supply_raw, backing_scaled_raw, bool(paused))

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The account's shares."""
        return (Call(market.address, erc20.BALANCE_OF.encode(account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's shares. Raises IncompleteRead."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, erc20.read_amount(results[0], market.id))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The wrapper is its own share token; nothing can be owed."""
        return market.address, None

    def columns(self, state: Stata) -> Columns:
        """The reserve's: its rates, its usage, its liquidity."""
        return AAVE.columns(state.reserve)

    def accrue(self, state: Stata, seconds: int) -> Stata:
        """The reserve's time passes; shares stand."""
        return replace(state, reserve=AAVE.accrue(state.reserve, seconds))

    def apply(self, state: Stata, held: Position, action: MarketAction) -> Applied[Stata]:
        """One action at the state's time. Raises ProtocolError where wrapper or pool reverts."""
        match action:
            case Supply(market=market, amount=amount) if _is_of(state, market, amount):
                return deposit(state, held, amount.raw)
            case Withdraw(market=market, amount=Amount() as amount) if _is_of(state, market, amount):
                return withdraw(state, held, amount.raw)
            case Withdraw(market=market, amount=Shares(raw)) if market.id == state.market.id:
                return redeem(state, held, raw)
            case _:
                raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this market and asset: {action}")

    def value_raw(self, state: Stata, held: Position) -> int:
        """convertToAssets of the shares."""
        return assets_of_shares_down(state, held.shares_raw)

    def withdrawable_raw(self, state: Stata) -> int:
        """What the reserve lets go; nothing while the wrapper is paused."""
        return 0 if state.paused else AAVE.withdrawable_raw(state.reserve)

    def price_usd_e8(self, state: Stata) -> int | None:
        """The pool's oracle's price of the asset."""
        return AAVE.price_usd_e8(state.reserve)

    def solvency(self, state: Stata, held: Position) -> Solvency:
        """A wrapped claim backs no debt."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """All of the shares: a wrapper has no word for everything."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The wrapper."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on the local chain, approval included."""
        counting = REWARDS_GAS if controller(wrapped(action.market)) is not None else 0
        return counting + (SUPPLY_GAS if isinstance(action, Supply) else WITHDRAW_GAS)

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """deposit after its exact approval, withdraw, or redeem. Raises UnknownCall."""
        return vault_calls.encode(action, account)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another receiver or owner, a value, or one unread byte."""
        return vault_calls.parse(call, account, markets)


def deposit(state: Stata, held: Position, assets_raw: int) -> Applied[Stata]:
    """ERC4626Upgradeable.deposit, ERC4626StataTokenUpgradeable._deposit, Pool.deposit."""
    _running(state)
    if assets_raw > max_deposit_raw(state):
        raise ActionRefused(
            market_id=state.market.id, why=f"it takes {max_deposit_raw(state)} base units; {assets_raw} are offered"
        )
    shares_raw = shares_of_assets_down(state, assets_raw)
    if shares_raw <= 0:
        raise ActionRefused(market_id=state.market.id, why="the amount buys no share")
    lent = pool.supply(state.reserve, _backing(state), assets_raw)
    return _after(state, held, lent, shares_raw)


def withdraw(state: Stata, held: Position, assets_raw: int) -> Applied[Stata]:
    """ERC4626Upgradeable.withdraw, ERC4626StataTokenUpgradeable._withdraw, Pool.withdraw."""
    _running(state)
    most_raw = max_withdraw_raw(state, held.shares_raw)
    if assets_raw > most_raw:
        raise InsufficientBalance(what=f"to be had of {state.market.id}", wanted_raw=assets_raw, available_raw=most_raw)
    taken = pool.withdraw(state.reserve, _backing(state), Amount(state.market.asset, assets_raw))
    return _after(state, held, taken, -shares_of_assets_up(state, assets_raw))


def redeem(state: Stata, held: Position, shares_raw: int) -> Applied[Stata]:
    """ERC4626Upgradeable.redeem, ERC4626StataTokenUpgradeable._withdraw, Pool.withdraw."""
    _running(state)
    most_raw = max_redeem_raw(state, held.shares_raw)
    if shares_raw > most_raw:
        raise InsufficientBalance(what=f"shares of {state.market.id}", wanted_raw=shares_raw, available_raw=most_raw)
    assets_raw = assets_of_shares_down(state, shares_raw)
    taken = pool.withdraw(state.reserve, _backing(state), Amount(state.market.asset, assets_raw))
    return _after(state, held, taken, -shares_raw)


def _backing(state: Stata) -> Position:
    """The wrapper's own claim on the pool."""
    return Position(state.reserve.market, state.backing_scaled_raw)


def _after(state: Stata, held: Position, done: Applied[Reserve], shares_raw: int) -> Applied[Stata]:
    """Shares minted (burned, if negative) beside what the pool did; the account's change of the asset is the pool's."""
    after = replace(
        state,
        reserve=done.state,
        total_supply_raw=state.total_supply_raw + shares_raw,
        backing_scaled_raw=done.held.shares_raw,
    )
    return Applied(after, replace(held, shares_raw=held.shares_raw + shares_raw), done.moved)


def _running(state: Stata) -> None:
    """StataTokenV2._update: no mint and no burn while it is paused."""
    if state.paused:
        raise ActionRefused(market_id=state.market.id, why="the wrapper is paused")


def _is_of(state: Stata, market: Market, amount: Amount) -> bool:
    return market.id == state.market.id and amount.asset == state.market.asset
