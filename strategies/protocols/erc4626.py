"""ERC-4626 vaults of two plain kinds: read one, apply to it, speak its calldata and read that back.

`virtual_assets` pins the kind: 1 is OpenZeppelin's, with 10**`decimals_offset` virtual shares; 0 is Solmate's, with none.
Refuses a vault whose own previews are not that arithmetic to the unit (a fee, another offset, another design), and one whose
asset is not the pinned one. Limits lie. `maxDeposit`, asked for the zero address, is believed where OpenZeppelin's code enforces
it, and a finite one is taken for the room a cap leaves; Solmate's code asks none, so none is believed. An account's `maxWithdraw`
and `maxRedeem` are not: what it holds and what the vault itself holds decide. So assets that lie elsewhere count as out of reach,
and a vault that would fetch them, or that keeps one account in, is a simulation's to find. What it earns its state does not say:
the rate is NaN, and time only moves the clock."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from strategies.domain import Action, Address, Amount, Entire, Market, MarketAction, Position, Shares, Supply, Withdraw
from strategies.errors import (
    ActionRefused,
    IncompleteRead,
    InsufficientBalance,
    InsufficientLiquidity,
    UnsupportedState,
)
from strategies.protocols import erc20, vault_calls
from strategies.protocols.adapter import ADDRESS, UINT256, Applied, Call, Columns, Function, Solvency
from strategies.units import MAX_UINT256, mul_div_down, mul_div_up

ASSET: Final = Function("38d52e0f")
TOTAL_ASSETS: Final = Function("01e1d114")
TOTAL_SUPPLY: Final = Function("18160ddd")
MAX_DEPOSIT: Final = Function("402d267d", ADDRESS)
PREVIEW_DEPOSIT: Final = Function("ef8b30f7", UINT256)
PREVIEW_REDEEM: Final = Function("4cdad506", UINT256)

ANYONE: Final[Address] = "0x" + "00" * 20
PROBE_RAW: Final = 10**30 + 7  # previewed both ways at each read: a wrong offset or the smallest fee shows in it
SUPPLY_GAS: Final = 165_000
WITHDRAW_GAS: Final = 80_000

Rounding = Callable[[int, int, int], int]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a vault's code does where vaults differ."""

    name: str
    virtual_assets_raw: int
    virtual_shares_raw: int
    enforces_limits: bool  # deposit asks maxDeposit
    refuses_nothing: bool  # no deposit for zero shares, no redemption for zero assets
    multiplies_wide: bool  # a product may pass 256 bits


@dataclass(frozen=True, slots=True)
class Vault:
    """What a vault says of itself at `timestamp`. `held_raw` is the asset in its own hands, which is all it can pay."""

    market: Market
    kind: Kind
    timestamp: int
    total_assets_raw: int
    total_supply_raw: int
    held_raw: int
    deposit_limit_raw: int


def kind_of(market: Market) -> Kind:
    """The pinned kind. Raises KeyError where a number is missing, ValueError where there is no such vault."""
    virtual, offset = market.number("virtual_assets"), market.number("decimals_offset")
    if virtual == 1 and 0 <= offset <= 18:
        return Kind("OpenZeppelin", 1, 10**offset, enforces_limits=True, refuses_nothing=False, multiplies_wide=True)
    if virtual == 0 and offset == 0:
        return Kind("Solmate", 0, 0, enforces_limits=False, refuses_nothing=True, multiplies_wide=False)
    raise ValueError(f"{market.id}: {virtual} virtual assets with an offset of {offset} decimals")


def shares_of_assets_down(state: Vault, assets_raw: int) -> int:
    """previewDeposit and convertToShares."""
    shares_raw, whole_raw = _rate(state)
    return _scaled(state, (assets_raw, shares_raw, whole_raw), mul_div_down)


def shares_of_assets_up(state: Vault, assets_raw: int) -> int:
    """previewWithdraw."""
    shares_raw, whole_raw = _rate(state)
    return _scaled(state, (assets_raw, shares_raw, whole_raw), mul_div_up)


def assets_of_shares_down(state: Vault, shares_raw: int) -> int:
    """previewRedeem and convertToAssets."""
    all_shares_raw, whole_raw = _rate(state)
    return _scaled(state, (shares_raw, whole_raw, all_shares_raw), mul_div_down)


def assets_of_shares_up(state: Vault, shares_raw: int) -> int:
    """previewMint."""
    all_shares_raw, whole_raw = _rate(state)
    return _scaled(state, (shares_raw, whole_raw, all_shares_raw), mul_div_up)


class Erc4626:
    """The adapter of plain vaults."""

    @property
    def protocol(self) -> str:
        return "erc4626"

    @property
    def arrival_bound_raw(self) -> int:
        """The model is exact."""
        return 0

    def reads(self, market: Market) -> tuple[Call, ...]:
        """Asset, totals, what it holds, what it takes, and a probe of its arithmetic. Raises KeyError, ValueError: no kind."""
        kind_of(market)
        at = market.address
        return (
            Call(at, ASSET.encode()),
            Call(at, TOTAL_ASSETS.encode()),
            Call(at, TOTAL_SUPPLY.encode()),
            Call(market.asset.address, erc20.BALANCE_OF.encode(at)),
            Call(at, MAX_DEPOSIT.encode(ANYONE)),
            Call(at, PREVIEW_DEPOSIT.encode(PROBE_RAW)),
            Call(at, PREVIEW_REDEEM.encode(PROBE_RAW)),
        )

    def decode(self, market: Market, results: Sequence[bytes], timestamp: int) -> Vault:
        """The vault as it answered. Raises IncompleteRead, UnsupportedState."""
        if len(results) != len(self.reads(market)):
            raise IncompleteRead(f"{market.id}: {len(results)} answers")
        words = [erc20.read_amount(result, market.id) for result in results]
        asset, total_assets_raw, total_supply_raw, held_raw, limit_raw, probed_shares_raw, probed_assets_raw = words
        if asset != int(market.asset.address, 16):
            raise UnsupportedState(market_id=market.id, what="its asset is not the pinned one")
        kind = kind_of(market)
        state = Vault(
            market=market,
            kind=kind,
            timestamp=timestamp,
            total_assets_raw=total_assets_raw,
            total_supply_raw=total_supply_raw,
            held_raw=held_raw,
            deposit_limit_raw=limit_raw if kind.enforces_limits else MAX_UINT256,
        )
        if _probed(state) != (probed_shares_raw, probed_assets_raw):
            raise UnsupportedState(market_id=market.id, what=f"its previews are not {kind.name}'s arithmetic")
        return state

    def holding_reads(self, market: Market, account: Address) -> tuple[Call, ...]:
        """The account's shares."""
        return (Call(market.address, erc20.BALANCE_OF.encode(account)),)

    def holding(self, market: Market, results: Sequence[bytes]) -> Position:
        """The account's shares. Raises IncompleteRead."""
        if len(results) != 1:
            raise IncompleteRead(f"{market.id}: {len(results)} answers about the account")
        return Position(market, erc20.read_amount(results[0], market.id))

    def units(self, market: Market) -> tuple[Address, Address | None]:
        """The vault is its own share token; nothing can be owed."""
        return market.address, None

    def columns(self, state: Vault) -> Columns:
        """What is there; what it earns is seen on a tape of share prices only."""
        one = 10**state.market.asset.decimals
        return Columns(
            supply_apr=math.nan,
            borrow_apr=math.nan,
            utilisation=math.nan,
            supplied=state.total_assets_raw / one,
            available=self.withdrawable_raw(state) / one,
        )

    def accrue(self, state: Vault, seconds: int) -> Vault:
        """Only time passes: when and what a vault books as earned is its own affair."""
        return replace(state, timestamp=state.timestamp + seconds)

    def apply(self, state: Vault, held: Position, action: MarketAction) -> Applied[Vault]:
        """One action now. Raises ProtocolError where the vault reverts."""
        match action:
            case Supply(market=market, amount=amount) if _is_of(state, market, amount):
                return deposit(state, held, amount.raw)
            case Withdraw(market=market, amount=Amount() as amount) if _is_of(state, market, amount):
                return withdraw(state, held, amount.raw)
            case Withdraw(market=market, amount=Shares(raw)) if market.id == state.market.id:
                return redeem(state, held, raw)
            case _:
                raise ActionRefused(market_id=state.market.id, why=f"it is not asked for this market and asset: {action}")

    def value_raw(self, state: Vault, held: Position) -> int:
        """convertToAssets of the shares."""
        return assets_of_shares_down(state, held.shares_raw)

    def withdrawable_raw(self, state: Vault) -> int:
        """What the vault holds itself, where that is not more than it counts as its holders'."""
        return min(state.held_raw, state.total_assets_raw)

    def price_usd_e8(self, state: Vault) -> int | None:
        """A vault knows no price."""
        return None

    def solvency(self, state: Vault, held: Position) -> Solvency:
        """Nothing can be borrowed against it here."""
        return Solvency(state.market.id, 0, 0)

    def everything(self, held: Position) -> Entire | Shares:
        """All of the shares: a vault has no word for everything."""
        return Shares(held.shares_raw)

    def spender(self, action: MarketAction) -> Address:
        """The vault."""
        return action.market.address

    def gas(self, action: MarketAction) -> int:
        """Measured on OpenZeppelin's own vault, approval included; what a vault does besides costs more."""
        return SUPPLY_GAS if isinstance(action, Supply) else WITHDRAW_GAS

    def encode(self, action: MarketAction, account: Address) -> tuple[Call, ...]:
        """deposit after its exact approval, withdraw, or redeem. Raises UnknownCall."""
        return vault_calls.encode(action, account)

    def parse(self, call: Call, account: Address, markets: Sequence[Market]) -> Action | None:
        """Bytes back to meaning; None for another receiver or owner, a value, or one unread byte."""
        return vault_calls.parse(call, account, markets)


def deposit(state: Vault, held: Position, assets_raw: int) -> Applied[Vault]:
    """ERC4626.deposit. Zero shares for something is what OpenZeppelin's code gives, and what Solmate's refuses."""
    _not_negative(state, assets_raw)
    if state.kind.enforces_limits and assets_raw > state.deposit_limit_raw:
        raise ActionRefused(
            market_id=state.market.id, why=f"it takes {state.deposit_limit_raw} base units; {assets_raw} are offered"
        )
    shares_raw = shares_of_assets_down(state, assets_raw)
    _not_for_nothing(state, shares_raw)
    if state.total_supply_raw + shares_raw > MAX_UINT256:
        raise ActionRefused(market_id=state.market.id, why="its shares would pass 256 bits")
    return _moved(state, held, shares_raw=shares_raw, assets_raw=assets_raw)


def withdraw(state: Vault, held: Position, assets_raw: int) -> Applied[Vault]:
    """ERC4626.withdraw."""
    _not_negative(state, assets_raw)
    shares_raw = shares_of_assets_up(state, assets_raw)
    _has(held, shares_raw)
    return _moved(state, held, shares_raw=-shares_raw, assets_raw=-assets_raw)


def redeem(state: Vault, held: Position, shares_raw: int) -> Applied[Vault]:
    """ERC4626.redeem."""
    _not_negative(state, shares_raw)
    _has(held, shares_raw)
    assets_raw = assets_of_shares_down(state, shares_raw)
    _not_for_nothing(state, assets_raw)
    return _moved(state, held, shares_raw=-shares_raw, assets_raw=-assets_raw)


def _probed(state: Vault) -> tuple[int, int]:
    """What the previews must say of the probe. Raises UnsupportedState where they can say nothing."""
    try:
        return shares_of_assets_down(state, PROBE_RAW), assets_of_shares_down(state, PROBE_RAW)
    except ActionRefused as refused:
        raise UnsupportedState(market_id=state.market.id, what=refused.why) from refused


def _rate(state: Vault) -> tuple[int, int]:
    """Shares and the assets they stand for; one for one in an empty vault without virtual shares."""
    if state.total_supply_raw + state.kind.virtual_shares_raw == 0:
        return 1, 1
    return state.total_supply_raw + state.kind.virtual_shares_raw, state.total_assets_raw + state.kind.virtual_assets_raw


def _scaled(state: Vault, fraction: tuple[int, int, int], rounding: Rounding) -> int:
    """a * b / divisor as the vault's mulDiv gives it, which reverts on what 256 bits do not carry."""
    a, b, divisor = fraction
    if divisor == 0:
        raise ActionRefused(market_id=state.market.id, why="it has shares and no assets")
    result = rounding(a, b, divisor)
    if max(result, b, divisor) > MAX_UINT256 or (a * b > MAX_UINT256 and not state.kind.multiplies_wide):
        raise ActionRefused(market_id=state.market.id, why="its conversion would pass 256 bits")
    return result


def _moved(state: Vault, held: Position, *, shares_raw: int, assets_raw: int) -> Applied[Vault]:
    """Assets into the vault and shares to the account; out and back, if negative."""
    if state.held_raw + assets_raw < 0:
        raise InsufficientLiquidity(market_id=state.market.id, wanted_raw=-assets_raw, available_raw=state.held_raw)
    after = replace(
        state,
        total_assets_raw=state.total_assets_raw + assets_raw,
        total_supply_raw=state.total_supply_raw + shares_raw,
        held_raw=state.held_raw + assets_raw,
        deposit_limit_raw=_limit_after_raw(state, assets_raw),
    )
    gained = (Amount(state.market.asset, -assets_raw),) if assets_raw else ()
    return Applied(after, replace(held, shares_raw=held.shares_raw + shares_raw), gained)


def _limit_after_raw(state: Vault, assets_raw: int) -> int:
    """A finite limit is the room a cap leaves; where none is left, how far the cap is passed is unknown until the next read."""
    if state.deposit_limit_raw in (0, MAX_UINT256):
        return state.deposit_limit_raw
    return state.deposit_limit_raw - assets_raw


def _has(held: Position, shares_raw: int) -> None:
    """OpenZeppelin's maxWithdraw and maxRedeem, and the burn of both kinds, say the same."""
    if shares_raw > held.shares_raw:
        raise InsufficientBalance(what=f"shares of {held.market.id}", wanted_raw=shares_raw, available_raw=held.shares_raw)


def _not_negative(state: Vault, raw: int) -> None:
    if not 0 <= raw <= MAX_UINT256:
        raise ActionRefused(market_id=state.market.id, why=f"{raw} is no uint256")


def _not_for_nothing(state: Vault, received_raw: int) -> None:
    if state.kind.refuses_nothing and received_raw == 0:
        raise ActionRefused(market_id=state.market.id, why="nothing would be given for it")


def _is_of(state: Vault, market: Market, amount: Amount) -> bool:
    return market.id == state.market.id and amount.asset == state.market.asset
