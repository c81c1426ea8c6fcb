"""`erc4626.json`: previews of OpenZeppelin's vault, by the arithmetic the adapter uses.

The vault takes any number of decimals between shares and assets whose power fits 256 bits; the adapter pins no more than 18."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from strategies.domain import Asset, Market
from strategies.errors import ActionRefused
from strategies.protocols.erc4626 import (
    Kind,
    Vault,
    assets_of_shares_down,
    assets_of_shares_up,
    shares_of_assets_down,
    shares_of_assets_up,
)
from strategies.units import MAX_UINT256

Case: TypeAlias = Mapping[str, Any]

NOWHERE: Final = "0x" + "00" * 20
MARKET: Final = Market("vector", "erc4626", NOWHERE, Asset(1, NOWHERE, "T", 18))
MOST_DECIMALS: Final = 77  # 10**78 passes 256 bits
REVERT: Final = "REVERT"
PREVIEWS: Final[Mapping[str, Callable[[Vault, int], int]]] = {
    "preview_deposit_shares": shares_of_assets_down,
    "preview_mint_assets": assets_of_shares_up,
    "preview_withdraw_shares": shares_of_assets_up,
    "preview_redeem_assets": assets_of_shares_down,
}


def previews(case: Case) -> Mapping[str, str]:
    """The four previews of one amount, which is assets for deposits and withdrawals and shares for mints and redemptions."""
    given = {name: int(text) for name, text in case["in"].items()}
    vault = Vault(
        market=MARKET,
        kind=_kind(given["decimals_offset"]),
        timestamp=0,
        total_assets_raw=given["total_assets"],
        total_supply_raw=given["total_supply"],
        held_raw=given["total_assets"],
        deposit_limit_raw=MAX_UINT256,
    )
    said = {name: _said(preview, vault, given["amount"]) for name, preview in PREVIEWS.items()}
    if set(said.values()) == {REVERT}:
        raise ActionRefused(market_id=MARKET.id, why="every preview reverts")
    return said


def _kind(offset: int) -> Kind:
    if not 0 <= offset <= MOST_DECIMALS:
        raise ActionRefused(market_id=MARKET.id, why=f"10**{offset} virtual shares")
    return Kind("OpenZeppelin", 1, 10**offset, enforces_limits=True, refuses_nothing=False, multiplies_wide=True)


def _said(preview: Callable[[Vault, int], int], vault: Vault, amount_raw: int) -> str:
    """One preview may revert where another does not."""
    try:
        return str(preview(vault, amount_raw))
    except ActionRefused:
        return REVERT


GROUPS: Final[Mapping[str, Callable[[Case], Mapping[str, str]]]] = {"previews": previews}
