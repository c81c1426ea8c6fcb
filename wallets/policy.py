"""The limits a person sets; the model and the strategies cannot. A missing, unknown, negative or non-integer limit is refused.

Nothing here has a default: an absent limit is an error, not an infinity."""

import hashlib
import json
from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints, model_validator

from strategies.units import BPS
from wallets.compliance import Compliance
from wallets.figures import FROZEN, Bps, HexAddress, HexKey, NonNegative, Positive, Threshold

# a local chain, Sepolia, Base Sepolia, Arbitrum Sepolia, OP Sepolia: no chain with real money
TESTNETS: Final = frozenset({31337, 11155111, 84532, 421614, 11155420})
PRICE_SOURCES: Final = ("oracle", "exchange")


class Operator(BaseModel):
    """A person who may say yes: a name and an Ed25519 public key (32 bytes, hex)."""

    model_config = FROZEN
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,32}$")]
    public_key: HexKey


class People(BaseModel):
    """When a plan needs a person's yes, and when the yes of two."""

    model_config = FROZEN
    max_unattended_usd: NonNegative  # up to here a plan needs nobody's yes; 0: every plan needs one
    two_people_above_usd: Threshold  # above, two operators must say yes; "none": one always does
    gather_seconds: NonNegative  # what went to one place within this is added before comparing
    resume_people: Annotated[Positive, Field(le=2)]  # who must end a stop


class Concentration(BaseModel):
    """How much of all that the account has may depend on one thing after a plan, what vaults lend to included."""

    model_config = FROZEN
    max_protocol_bps: Bps
    max_asset_bps: Bps  # of one asset and its forms
    max_issuer_bps: Bps


class Exchange(BaseModel):
    """What a trade may lose, and what its prices must be like."""

    model_config = FROZEN
    max_slippage_bps: Bps  # a trade's or a deposit's least outcome below what the oracles say
    max_loss_day_bps: Bps  # the sum of all trades' losses in 24 hours, each in parts of what was given
    max_price_gap_bps: Bps  # between an oracle and a registered pool
    max_deadline_seconds: Positive  # how far ahead a trade may still be mined
    max_quote_age_blocks: Positive  # how old the block may be that a trade was planned on
    pegged: tuple[str, ...]  # symbols that should be worth a dollar
    min_peg_bps: Bps  # of a dollar; below, nothing new goes into them


class Pace(BaseModel):
    """How often the wallet may act."""

    model_config = FROZEN
    max_plans_hour: Positive
    reversal_seconds: NonNegative  # what left a market goes back there no sooner
    repeat_seconds: NonNegative  # the same calls are made again no sooner


class StatedPrice(BaseModel):
    """What a Safe's owners count one whole unit of an asset as, where a role's limits are written in base units."""

    model_config = FROZEN
    symbol: str
    cents: Positive  # of a US dollar


class SafeAccount(BaseModel):
    """Where the account is a Safe: the contracts that let an agent move it, the agent's role, and the key that holds the role."""

    model_config = FROZEN
    singleton: HexAddress  # the contract whose code the Safe runs
    roles: HexAddress  # the Roles modifier
    guard: HexAddress  # our module guard, the one module of the Safe
    role: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,31}$")]
    retired_roles: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,31}$")], ...]  # that it held before
    member: HexAddress  # the keystore's address: it signs, and pays for gas
    prices: tuple[StatedPrice, ...]


class Policy(BaseModel):
    """What the guard enforces. Whole US dollars, gwei, seconds, blocks."""

    model_config = FROZEN
    chain_id: Positive
    account: HexAddress  # the wallet that acts
    treasury: HexAddress | None  # the only recipient of a transfer; None: no transfers
    markets: tuple[str, ...]  # ids that may be touched
    borrow_markets: tuple[str, ...]  # ids that may be borrowed from
    max_transaction_usd: Positive
    max_day_usd: Positive  # rolling 24 h: what leaves the account and what is borrowed
    max_market_usd: Positive  # held in one market after the plan
    max_protocol_usd: Positive  # in all markets of one protocol, what vaults lend there included
    max_issuer_usd: Positive  # in everything that one issuer answers for
    max_calls: Positive  # calls of one plan
    min_health_factor_bps: Annotated[Positive, Field(ge=BPS)]  # after each call, where anything is owed; 10_000 is 1.0
    max_fee_gwei: Positive
    max_priority_fee_gwei: NonNegative
    max_gas_per_transaction: Positive
    max_transaction_gas_usd: Positive  # the most that one transaction's fee can be
    max_day_gas_usd: Positive
    min_native_reserve_wei: NonNegative  # stays in the account, but for a way out under reduce-only
    max_reading_age_seconds: Positive
    max_price_age_seconds: Positive
    max_plan_age_blocks: Positive
    approval_expiry_seconds: Positive
    price_sources: tuple[str, ...]  # "oracle", and "exchange" where pools of the deployment must agree with it
    people: People
    concentration: Concentration
    exchange: Exchange
    pace: Pace
    compliance: Compliance
    operators: tuple[Operator, ...]
    safe: SafeAccount | None = None  # None: the account is its key's own

    def __hash__(self) -> int:
        """By the account alone: every verdict looks its policy up, and equality still compares all of it."""
        return hash((self.chain_id, self.account))

    @model_validator(mode="after")
    def _coherent(self) -> "Policy":
        """A limit that can never bind, or never be met, is a mistake."""
        if not self.markets:
            raise ValueError("markets is empty: name at least one market the wallet may touch")
        if self.max_transaction_usd > self.max_day_usd:
            raise ValueError("max_transaction_usd is above max_day_usd and could never be used up")
        if not set(self.borrow_markets) <= set(self.markets):
            raise ValueError("borrow_markets names a market that is not in markets")
        if self.max_protocol_usd < self.max_market_usd:
            raise ValueError("max_protocol_usd is below max_market_usd, which could never be used up")
        if self.max_transaction_gas_usd > self.max_day_gas_usd:
            raise ValueError("max_transaction_gas_usd is above max_day_gas_usd and could never be used up")
        if "oracle" not in self.price_sources or not set(self.price_sources) <= set(PRICE_SOURCES):
            raise ValueError('price_sources must name "oracle", and may name "exchange" besides')
        for what in ("name", "public_key"):
            if len({getattr(operator, what) for operator in self.operators}) != len(self.operators):
                raise ValueError(f"two operators share one {what.replace('_', ' ')}")
        self._refuse_idle_thresholds()
        if self.safe is not None:
            self._refuse_unlike_safe(self.safe)
        return self

    def _refuse_unlike_safe(self, safe: SafeAccount) -> None:
        """One contract in two parts, a role that is retired, or a price said twice is a mistake."""
        if len({self.account, safe.singleton, safe.roles, safe.guard, safe.member}) < 5:
            raise ValueError("account and safe.singleton, roles, guard and member must be five different addresses")
        if safe.role in safe.retired_roles:
            raise ValueError("safe.role is among safe.retired_roles: give the new role a new name")
        if len({price.symbol for price in safe.prices}) != len(safe.prices):
            raise ValueError("safe.prices states the price of an asset twice")

    def _refuse_idle_thresholds(self) -> None:
        """A threshold that no plan can reach protects nobody, and one that nobody can meet stops everything."""
        free_usd, two_usd, enrolled = self.people.max_unattended_usd, self.people.two_people_above_usd, len(self.operators)
        if free_usd >= self.max_day_usd:
            raise ValueError("people.max_unattended_usd is not below max_day_usd: nobody would ever be asked")
        if two_usd is not None and two_usd >= self.max_day_usd:
            raise ValueError("people.two_people_above_usd is not below max_day_usd: two people would never be asked")
        if two_usd is not None and two_usd < free_usd:
            raise ValueError("people.two_people_above_usd is below people.max_unattended_usd")
        if enrolled and max(self.people.resume_people, 1 if two_usd is None else 2) > enrolled:
            raise ValueError("people asks for two operators, and one is enrolled")


def policy_digest(policy: Policy) -> str:
    """sha256 over the policy's canonical JSON: what an approval is bound to."""
    text = json.dumps(policy.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
