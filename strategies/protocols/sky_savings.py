"""MakerDAO's and Sky's savings rate: sDAI over the Pot, and sUSDS, in their own integers. Arithmetic and reading only.

Refuses, by name, every action and every call to write: nothing is traded here yet, and no call is read back. Refuses a token
whose asset is not the pinned one, and a savings rate that would make `drip` revert (below one). A pinned `pot` marks sDAI, whose
rate lies in the Pot; sUSDS keeps its own. What governance does to the rate between two blocks is not foreseen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from strategies.domain import Action, Address, Entire, Market, MarketAction, Position, Shares
from strategies.errors import ActionRefused, IncompleteRead, UnknownCall, UnsupportedState
from strategies.protocols import erc20
from strategies.protocols.adapter import Applied, Call, Columns, Function, Solvency
from strategies.protocols.answers import refuse
from strategies.units import MAX_UINT256, RAY, SECONDS_PER_YEAR, mul_div_down, mul_div_half_up, mul_div_up

ASSET: Final = Function("38d52e0f")
TOTAL_SUPPLY: Final = Function("18160ddd")
DSR: Final = Function("487bf082")
SSR: Final = Function("03607ceb")
CHI: Final = Function("c92aecc4")
RHO: Final = Function("20aba08b")


@dataclass(frozen=True, slots=True)
class Savings:
    """A savings token and its rate, true at `timestamp`; the accumulator is that of the last drip."""

    market: Market
    timestamp: int
    rate_ray: int  # growth a second, above one: the Pot's dsr, sUSDS' ssr
    chi_ray: int  # asset per share at the last drip
    rho: int  # unix seconds of the last drip
    total_supply_raw: int


def rpow_half_up(x: int, n: int, base: int) -> int:
    """x^n in units of base, to the nearest at every multiplication (Pot.rpow). Raises ActionRefused past 256 bits."""
    if x == 0:
        return 0 if n else base
    z = x if n % 2 else base
    while n := n // 2:
        x = _rounded(x, x, base)
        if n % 2:
            z = _rounded(z, x, base)
    return z


def chi_after_down(chi_ray: int, rate_ray: int, seconds: int) -> int:
    """The accumulator so many seconds on: rpow to the nearest, the product down (convertToAssets of sDAI and sUSDS)."""
    product = rpow_half_up(rate_ray, seconds, RAY) * chi_ray
    _fits(product)
    return product // RAY


def dripped(state: Savings) -> Savings:
    """Pot.drip and SUsds.drip. Raises ActionRefused where the accumulator would fall."""
    chi_ray = chi_now_ray(state)
    if chi_ray < state.chi_ray:
        raise ActionRefused(market_id=state.market.id, why="its accumulator would fall")
    return replace(state, chi_ray=chi_ray, rho=state.timestamp)


def chi_now_ray(state: Savings) -> int:
    """Asset per share at the state's time."""
    seconds = state.timestamp - state.rho
    return chi_after_down(state.chi_ray, state.rate_ray, seconds) if seconds > 0 else state.chi_ray


def shares_of_assets_down(chi_ray: int, assets_raw: int) -> int:
    """convertToShares and previewDeposit."""
    return _converted(mul_div_down(assets_raw, RAY, chi_ray), assets_raw * RAY)


def shares_of_assets_up(chi_ray: int, assets_raw: int) -> int:
    """previewWithdraw."""
    return _converted(mul_div_up(assets_raw, RAY, chi_ray), assets_raw * RAY)


def assets_of_shares_down(chi_ray: int, shares_raw: int) -> int:
    """convertToAssets and previewRedeem."""
    return _converted(mul_div_down(shares_raw, chi_ray, RAY), shares_raw * chi_ray)


def assets_of_shares_up(chi_ray: int, shares_raw: int) -> int:
    """previewMint."""
    return _converted(mul_div_up(shares_raw, chi_ray, RAY), shares_raw * chi_ray)


class SkySavings:
    """The reader of savings tokens, in an adapter's shape."""

    @property
    def protocol(self) -> str:
        return "sky_savings"

    @property
    def arrival_bound_raw(self) -> int:
        """The arithmetic is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """Asset and supply of the token; rate, accumulator and last drip of where its rate lies."""
        pot = dict(market.contracts).get("pot")
        rate, keeper = (SSR, market.address) if pot is None else (DSR, pot)
        return (
            Call(market.address, ASSET.encode()),
            Call(market.address, TOTAL_SUPPLY.encode()),
            Call(keeper, rate.encode()),
            Call(keeper, CHI.encode()),
            Call(keeper, RHO.encode()),
        )

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> Savings:
        """The token as it answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.reads(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        asset, supply_raw, rate_ray, chi_ray, rho = (erc20.read_amount(result, market.id) for result in results)
        refuse(market, "its asset is not the pinned one", asset != int(market.asset.address, 16))
        refuse(market, f"a savings rate of {rate_ray}, below one", rate_ray < RAY)
        refuse(market, f"an accumulator of {chi_ray}, below one", chi_ray < RAY)
        refuse(market, "dripped later than it was read", rho > timestamp)
        return Savings(market, timestamp, rate_ray, chi_ray, rho, supply_raw)

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The account's shares."""
        return (Call(market.address, erc20.BALANCE_OF.encode(account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's shares. Raises IncompleteRead."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, erc20.read_amount(results[0], market.id))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The savings token; nothing can be owed."""
        return market.address, None

    def columns(self, state: Savings) -> Columns:
        """The rate of a second, a year long; what Sky pays is minted, so all of it is there."""
        supplied = assets_of_shares_down(chi_now_ray(state), state.total_supply_raw) / 10**state.market.asset.decimals
        return Columns(
            supply_apr=(state.rate_ray - RAY) * SECONDS_PER_YEAR / RAY,
            borrow_apr=float("nan"),
            utilisation=float("nan"),
            supplied=supplied,
            available=supplied,
        )

    def accrue(self, state: Savings, seconds: int) -> Savings:
        """Only time passes: the accumulator is written by a drip, and computed from there."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: Savings, held: Position, action: MarketAction) -> Applied[Savings]:
        """Nothing is traded here yet. Raises UnsupportedState."""
        raise UnsupportedState(market_id=state.market.id, what="savings are read here and not traded yet")

    def value_raw(self, state: Savings, held: Position) -> int:
        """convertToAssets of the shares."""
        return assets_of_shares_down(chi_now_ray(state), held.shares_raw)

    def withdrawable_raw(self, state: Savings) -> int:
        """All that is saved: it is minted when it is taken out."""
        return assets_of_shares_down(chi_now_ray(state), state.total_supply_raw)

    def price_usd_e8(self, state: Savings) -> int | None:
        """It knows no price."""
        return None

    def solvency(self, state: Savings, held: Position) -> Solvency:
        """Nothing can be borrowed against it here."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """All of the shares."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """Nothing is traded here yet. Raises UnknownCall."""
        _not_traded(action)

    def gas(self, action: MarketAction) -> int:
        """Nothing is traded here yet. Raises UnknownCall."""
        _not_traded(action)

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """Nothing is traded here yet. Raises UnknownCall."""
        _not_traded(action)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Nothing is written here, so nothing is read back."""
        return None


def _not_traded(action: MarketAction) -> NoReturn:
    raise UnknownCall(f"savings are read and not traded yet: {action}")


def _rounded(a: int, b: int, base: int) -> int:
    """One multiplication of rpow: product and half a base must fit in 256 bits."""
    _fits(a * b + base // 2)
    return mul_div_half_up(a, b, base)


def _converted(result: int, product: int) -> int:
    """The vaults multiply in 256 bits, checked."""
    _fits(product)
    return result


def _fits(product: int) -> None:
    if product > MAX_UINT256:
        raise ActionRefused(market_id="a savings rate", why="a product would pass 256 bits")
