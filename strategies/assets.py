"""What is counted, and in what: tokens, quantities of them, shares, prices. Refuses sums across assets."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from strategies.units import MAX_UINT256, WAD, mul_div_down

Address: TypeAlias = str  # "0x" and forty lower-case hex digits

NATIVE: Final[Address] = "0x" + "ee" * 20  # the chain's own coin, by the convention of ERC-7528


@dataclass(frozen=True, slots=True)
class Asset:
    """A token or native coin on one chain."""

    chain_id: int
    address: Address
    symbol: str
    decimals: int

    def __eq__(self, other: object) -> bool:
        """As a dataclass's own, which would compare every field of an asset with itself; plans ask it thousands of times."""
        if self is other:
            return True
        if not isinstance(other, Asset):
            return NotImplemented
        ours = (self.address, self.chain_id, self.symbol, self.decimals)
        return ours == (other.address, other.chain_id, other.symbol, other.decimals)

    def __hash__(self) -> int:
        return hash(self.address)


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity of one asset in base units; adds only to its own asset."""

    asset: Asset
    raw: int

    def __add__(self, other: "Amount") -> "Amount":
        if other.asset != self.asset:
            raise TypeError(f"{self.asset.symbol} and {other.asset.symbol} do not add")
        return Amount(self.asset, self.raw + other.raw)

    def portion(self, weight_wad: int) -> "Amount":
        """The only door from weight to quantity; rounded towards idle."""
        return Amount(self.asset, mul_div_down(self.raw, weight_wad, WAD))


def written(amount: Amount) -> str:
    """An amount as a person reads it, every digit kept: 1234500000 base units of USDC are 1,234.5 USDC."""
    if amount.raw == MAX_UINT256:
        return f"an unlimited amount of {amount.asset.symbol}"
    return f"{figure(amount.raw, amount.asset.decimals)} {amount.asset.symbol}"


def figure(raw: int, decimals: int) -> str:
    """Base units with their decimal point, thousands marked, every digit kept."""
    digits = str(abs(raw)).rjust(decimals + 1, "0")
    whole, rest = (digits[:-decimals], digits[-decimals:].rstrip("0")) if decimals else (digits, "")
    return f"{'-' if raw < 0 else ''}{int(whole):,}" + (f".{rest}" if rest else "")


class Entire(Enum):
    """The protocol's own word for everything: no dust stays behind."""

    ALL = "all"


ALL: Final = Entire.ALL


@dataclass(frozen=True, slots=True)
class Shares:
    """A quantity in a market's own share or debt unit, where the protocol lets one name that instead of an amount."""

    raw: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A price with its witness."""

    asset: Asset
    usd_e8: int
    source: str
    timestamp: int
