"""What a run is described by, and what it was: settings, decisions, and what was held from when. Refuses nothing itself."""

from dataclasses import dataclass

from strategies.decide import DecideSettings, Decision
from strategies.domain import Address, Portfolio
from strategies.tape import Observation, Tape
from wallets.journal import Journal
from wallets.ledger import Ledger
from wallets.policy import Policy
from wallets.wallet import Receipt, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What a run is described by, besides its tape."""

    name: str
    decide: DecideSettings
    policy: Policy | None  # None: nobody judges and nothing is booked, which shows what guard and books cost
    account: Address
    opening: Portfolio
    most_moves: int | None  # after so many executed plans only time passes; None: no limit
    latency_rows: int  # between the row decided on and the row executed at
    latency_seconds: int = 0  # and at least so long


@dataclass(frozen=True, slots=True)
class Segment:
    """What is held from a row on, and what the move that began it burned and supplied."""

    row: int
    portfolio: Portfolio
    fee_wei: int = 0
    supplied_raw: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One decision, and what became of it: an approved plan is due at a row, and `held` says why it did not execute there."""

    seen: Observation
    decision: Decision
    verdict: Verdict | None
    receipt: Receipt | None
    due_row: int | None
    held: str


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run; curves and figures are computed from it."""

    tape: Tape
    settings: RunSettings
    segments: tuple[Segment, ...]
    steps: tuple[Step, ...]  # every decision; without a policy those alone that executed nothing whole or were looked at closely
    decisions: int
    ledger: Ledger  # reconciled to the unit with what is held at the end; empty without a policy
    journal: Journal
