"""What takes back a grant that is no allowance of a token: records that carry and do not act. There is none that grants."""

from dataclasses import dataclass
from typing import TypeAlias

from strategies.assets import Address, Asset


@dataclass(frozen=True, slots=True)
class RevokeOperator:
    """Somebody may no longer act for every token that the account has in a collection."""

    collection: Address
    operator: Address


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Nobody but the account and its operators may any longer act for one token of a collection."""

    collection: Address
    token_id: int


@dataclass(frozen=True, slots=True)
class RevokePermit:
    """An allowance of zero that a contract which everybody allows keeps for itself."""

    contract: Address
    asset: Asset
    spender: Address


@dataclass(frozen=True, slots=True)
class Lockdown:
    """The same of several assets and spenders at once."""

    contract: Address
    pairs: tuple[tuple[Asset, Address], ...]


GrantRevocation: TypeAlias = RevokeOperator | RevokeToken | RevokePermit | Lockdown
