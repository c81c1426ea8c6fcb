"""The Wallet port and the records that cross it. Refuses nothing itself: a refusal is one of its values."""

import hashlib
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted  # the text of a text, as wallets.wire says it
from typing import Final, Protocol, TypeAlias

from strategies.domain import Address, Asset, Plan
from strategies.protocols.adapter import Call


@dataclass(frozen=True, slots=True)
class Change:
    """A signed change of one thing the account holds. `unit` is a token address, or a market's share or debt contract."""

    unit: Address
    symbol: str
    delta_raw: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a spender may take after the calls."""

    token: Address
    spender: Address
    raw: int


@dataclass(frozen=True, slots=True)
class Effects:
    """What exact calls change for our account: tokens, shares, debts, and the allowances that remain. Zero changes are left out,
    and so is gas: it is the fee's own figure. `unexpected` names any event that touches the account and is none of these."""

    changes: tuple[Change, ...]
    allowances: tuple[Allowance, ...]
    gas_used: tuple[int, ...]  # a call
    block: int
    timestamp: int
    unexpected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """What one plan does in one place, as a wallet remembers it for a day."""

    intent: str
    place: str  # a market's id, or the address that something is sent to
    way: str  # "in", "out", "borrowed", "trade", "sent", or "tended" where it is none of these
    usd_e8: int  # what it counts against the day's cap
    loss_e8: int  # the most that it may lose against the oracles, in 1e-8 parts of what it gives; rounded up
    calls: str  # sha256 over the calls of its plan
    at: int  # unix seconds
    pair: str = ""  # of a trade: what was given and what was got, as "USDC>WETH"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a client says in words that its plan does: the guard holds the bytes against it."""

    action: str  # an action's name in lower case, such as "supply"
    symbol: str
    amount: str | None = None  # decimal, in whole units of the asset
    amount_usd: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """Fees and gas that a client asks for; None: the wallet's own."""

    gas_limit: int | None = None
    max_fee_wei: int | None = None
    max_priority_fee_wei: int | None = None


OWN_FEES: Final = Wish()


@dataclass(frozen=True, slots=True)
class Approved:
    """The guard's yes, bound to the bytes. Built in one file."""

    intent: str  # id of the plan in the store: what is executed at most once
    calls: tuple[Call, ...]
    effects: Effects
    digest: str  # sha256 over chain, account, calls, effects, intent, policy digest and expiry
    block: int
    expiry: int  # unix seconds
    spend_usd_e8: int  # what the daily cap reserves
    people: int = 1  # how many different operators must say yes
    moves: tuple[Move, ...] = ()  # what the day's limits remember of it
    wish: Wish = OWN_FEES


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that was broken, and what would change it."""

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The guard's no, with every reason it found."""

    intent: str
    reasons: tuple[Reason, ...]


Verdict: TypeAlias = Approved | Refused


@dataclass(frozen=True, slots=True)
class TokenTransfer:
    """One Transfer event that touched the account, or its model."""

    asset: Asset
    sender: Address
    recipient: Address
    raw: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """One call as it was mined (or modelled)."""

    hash: str
    block: int
    timestamp: int
    gas_used: int
    fee_wei: int
    succeeded: bool
    payer: Address | None = None  # who paid the fee where that is not the account


@dataclass(frozen=True, slots=True)
class Receipt:
    """What happened to one intent: its transactions in order, and every token change of the account they caused."""

    intent: str
    transactions: tuple[Transaction, ...]
    transfers: tuple[TokenTransfer, ...]
    complete: bool  # every call was mined and succeeded
    note: str = ""


@dataclass(frozen=True, slots=True)
class Yes:
    """A person's approval: an enrolled operator's Ed25519 signature over the digest."""

    operator: str
    digest: str
    signature: str  # 64 bytes, hex


@dataclass(frozen=True, slots=True)
class No:
    """A person's rejection of one plan: an enrolled operator's Ed25519 signature over its digest."""

    operator: str
    intent: str
    digest: str
    signature: str  # 64 bytes, hex


class Wallet(Protocol):
    """What every mode's wallet answers."""

    def judge(self, plan: Plan, intent: str) -> Verdict:
        """Decode, simulate and ask every check. Never raises for a bad plan: that is a Refused."""

    def execute(self, approved: Approved, approvals: tuple[Yes, ...]) -> Receipt:
        """Do exactly what was approved, at most once an intent. Raises NotApproved."""


def approval_digest(
    *,
    chain_id: int,
    account: Address,
    calls: tuple[Call, ...],
    effects: Effects,
    intent: str,
    policy_digest: str,
    expiry: int,
) -> str:
    """sha256 over the canonical JSON of everything an approval covers: what is done, and what a person was shown of it."""
    done = ",".join([f'[{quoted(call.target)},"{call.data.hex()}","{call.value_wei}"]' for call in calls])
    changes = ",".join([f'[{quoted(one.unit)},{quoted(one.symbol)},"{one.delta_raw}"]' for one in effects.changes])
    left = ",".join([f'[{quoted(one.token)},{quoted(one.spender)},"{one.raw}"]' for one in effects.allowances])
    gas, unexpected = ",".join(map(str, effects.gas_used)), ",".join(map(quoted, effects.unexpected))
    shown = f"[{changes}],[{left}],[{gas}],{effects.block},{effects.timestamp},[{unexpected}]"
    whose = f"{quoted(intent)},{quoted(policy_digest)},{expiry}"
    return hashlib.sha256(f"[{chain_id},{quoted(account)},[{done}],[{shown}],{whose}]".encode()).hexdigest()
