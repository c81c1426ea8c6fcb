"""The limits a person sets; the model and the strategies cannot. A missing, unknown, negative or non-integer limit is refused.

Nothing here has a default: an absent limit is an error, not an infinity."""

import hashlib
import json
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

# a local chain, Sepolia, Base Sepolia, Arbitrum Sepolia, OP Sepolia: no chain with real money
TESTNETS: Final = frozenset({31337, 11155111, 84532, 421614, 11155420})


def _whole(value: object) -> object:
    """Only a whole number, or its digits as the environment gives them: 1.0, true, nan and 1e9 are mistakes, not limits."""
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, str) and not value.isdecimal()):
        raise ValueError("write a whole number")
    return int(value)


Positive = Annotated[int, BeforeValidator(_whole), Field(gt=0)]
NonNegative = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
HexAddress = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{40}$")]
HexKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Operator(BaseModel):
    """A person who may say yes: a name and an Ed25519 public key (32 bytes, hex)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,32}$")]
    public_key: HexKey


class Policy(BaseModel):
    """What the guard enforces. Whole US dollars, gwei, seconds, blocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    chain_id: Positive
    account: HexAddress  # the wallet that acts
    treasury: HexAddress | None  # the only recipient of a transfer; None: no transfers
    markets: tuple[str, ...]  # ids that may be touched
    borrow_markets: tuple[str, ...]  # ids that may be borrowed from
    max_transaction_usd: Positive
    max_day_usd: Positive  # rolling 24 h: what leaves the account and what is borrowed
    max_market_usd: Positive  # held in one market after the plan
    max_calls: Positive  # calls of one plan
    min_health_factor_bps: Positive  # after each call, where anything is owed; 10_000 is 1.0
    max_fee_gwei: Positive
    max_priority_fee_gwei: NonNegative
    max_gas_per_transaction: Positive
    max_day_gas_usd: Positive
    min_native_reserve_wei: NonNegative  # stays in the account, but for a way out under reduce-only
    max_reading_age_seconds: Positive
    max_price_age_seconds: Positive
    max_plan_age_blocks: Positive
    approval_expiry_seconds: Positive
    operators: tuple[Operator, ...]

    @model_validator(mode="after")
    def _coherent(self) -> "Policy":
        """A limit that can never bind, or never be met, is a mistake."""
        if not self.markets:
            raise ValueError("markets is empty: name at least one market the wallet may touch")
        if self.max_transaction_usd > self.max_day_usd:
            raise ValueError("max_transaction_usd is above max_day_usd and could never be used up")
        if not set(self.borrow_markets) <= set(self.markets):
            raise ValueError("borrow_markets names a market that is not in markets")
        if len({operator.public_key for operator in self.operators}) != len(self.operators):
            raise ValueError("two operators share one public key")
        return self


def policy_digest(policy: Policy) -> str:
    """sha256 over the policy's canonical JSON: what an approval is bound to."""
    text = json.dumps(policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
