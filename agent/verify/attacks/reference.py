"""The policy that a catalogue assumes, in our own words: the one table between its keys and ours.

Refuses keys that it does not know, and values of what this product does not let anybody configure that are not what it does.
A hostile value is carried over as it stands: what becomes of it is the settings' own question."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.verify.attacks.outcome import Content, Unrealised
from strategies.units import BPS, WAD

BLOCK_SECONDS: Final = 12  # what one block stands for where the catalogue says seconds and we say blocks
OFF: Final = "off"
OWN: Final = "usufruct"  # where a person's own limits stand in a policy, in our words; no catalogue says it
WHO: Final = frozenset(
    {"chain_id", "account", "treasury", "markets", "borrow_markets", "operators", "safe", "price_sources", "compliance.screening"}
)
WIDE_USD: Final = 10**9  # of limits that the catalogue does not have


@dataclass(frozen=True, slots=True)
class Ours:
    """Which of our keys says the same, how its unit follows, and what `off` is there (None: it cannot be switched off)."""

    key: str
    convert: Callable[[Any], Any] = lambda value: value
    off: Any = None


def _times(factor: int) -> Callable[[Any], Any]:
    """A figure in a finer unit; what is no plain figure is carried over."""

    def convert(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return value
        return round(value * factor)

    return convert


def _blocks(value: Any) -> Any:
    return max(value // BLOCK_SECONDS, 1) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else value


def _wei(value: Any) -> Any:
    """Ether as text, in wei."""
    found = re.fullmatch(r"(\d+)(?:\.(\d{1,18}))?", str(value))
    return int(found[1]) * WAD + int((found[2] or "").ljust(18, "0")) if found else value


def _seconds_said(value: Any) -> Any:
    """The seconds that a sentence names."""
    found = re.search(r"(\d+) s\b", str(value))
    return int(found[1]) if found else value


TABLE: Final[Mapping[str, Ours]] = {
    "spend.auto_max_usd": Ours("people.max_unattended_usd"),
    "spend.two_person_above_usd": Ours("people.two_people_above_usd", off="none"),
    "spend.hard_max_usd": Ours("max_transaction_usd"),
    "spend.window_24h_usd": Ours("max_day_usd"),
    "spend.structuring": Ours("people.gather_seconds", _seconds_said, off=0),
    "slippage_max_bps": Ours("exchange.max_slippage_bps"),
    "cumulative_loss_24h_bps": Ours("exchange.max_loss_day_bps", off=BPS),
    "oracle_dex_max_dev_bps": Ours("exchange.max_price_gap_bps", off=BPS),
    "oracle_max_age_s": Ours("max_price_age_seconds"),
    "stable_depeg_floor": Ours("exchange.min_peg_bps", _times(BPS), off=1),
    "swap_deadline_max_s": Ours("exchange.max_deadline_seconds"),
    "quote_max_age_s": Ours("exchange.max_quote_age_blocks", _blocks),
    "plan_ttl_s": Ours("max_plan_age_blocks", _blocks),
    "gas.max_fee_gwei": Ours("max_fee_gwei"),
    "gas.max_priority_gwei": Ours("max_priority_fee_gwei"),
    "gas.gas_limit_max": Ours("max_gas_per_transaction"),
    "gas.fee_usd_max_tx_worst_case": Ours("max_transaction_gas_usd"),
    "gas.fee_usd_max_24h": Ours("max_day_gas_usd"),
    "gas.eth_reserve": Ours("min_native_reserve_wei", _wei, off=0),
    "health_factor_min_after": Ours("min_health_factor_bps", _times(BPS), off=BPS),
    "concentration_pct.protocol": Ours("concentration.max_protocol_bps", _times(100), off=BPS),
    "concentration_pct.asset": Ours("concentration.max_asset_bps", _times(100), off=BPS),
    "concentration_pct.issuer": Ours("concentration.max_issuer_bps", _times(100), off=BPS),
    "cooldown.same_market_reversal_s": Ours("pace.reversal_seconds", off=0),
    "cooldown.actions_per_hour": Ours("pace.max_plans_hour", off=10**6),
    "cooldown.identical_plan_s": Ours("pace.repeat_seconds", off=0),
    "approval.ttl_s": Ours("approval_expiry_seconds"),
    "kill_switch.clear_needs_humans": Ours("people.resume_people"),
    "compliance.profile": Ours("compliance.profile"),
    "compliance.sanctions_list_max_age_s": Ours("compliance.max_screening_age_seconds"),
}

ANY: Final = object()
FIXED: Final[Mapping[str, Any]] = {  # what this product always does; a catalogue that assumes otherwise fails
    "tx_types": [2],
    "allowance.exact": True,
    "allowance.spender_must_be_next_step_target": True,
    "allowance.zero_after_plan": True,
    "approval.bound_to": ANY,
    "approval.single_use": True,
    "approval.approver_not_proposer": True,
    "approval.distinct_humans": True,
    "approval.any_reject_is_final": True,
    "kill_switch.unreadable_state": "halt",
    "timelock.loosen_s": 86_400,
    "timelock.loosen_approvals": 2,
    "timelock.tighten_s": 0,
    "gas.gas_limit_max_multiple_of_estimate": 1.5,
    "simulation.required": True,
    "concentration_pct.look_through": True,
}
TOLD: Final = (  # what the world is built from, or what is only said
    *(
        "chain_ids",
        "calls",
        "recipients",
        "revocations_always_allowed",
        "borrow_assets",
        "assets",
        "pools",
        "never",
        "typed_data",
    ),
    *("spend.definition", "risk_reducing_exemption", "kill_switch.halt", "kill_switch.reduce_only", "compliance.profiles"),
    *("market_data", "simulation"),
)
BASE: Final[Mapping[str, Any]] = {  # limits that the catalogue does not have, wide
    "max_market_usd": WIDE_USD,
    "max_protocol_usd": WIDE_USD,
    "max_issuer_usd": WIDE_USD,
    "max_calls": 16,
    "max_reading_age_seconds": 120,
    "price_sources": ["oracle", "exchange"],
    "exchange.pegged": ["USDC", "USDT", "DAI"],
    "compliance.jurisdiction": "CH",
    "compliance.denied_assets": [],
    "compliance.real_world_assets": "none",
    "compliance.screening": "none",
}


def limits_of(reference: Content) -> dict[str, Any]:
    """Our limits, by dotted keys under `policy`; without who acts where. Raises Unrealised."""
    theirs = {key: value for key, value in reference.items() if key != OWN}
    return {**BASE, **dict(_translated(theirs)), **reference.get(OWN, {})}


def with_own(reference: Content, policy: Content) -> Content:
    """The assumed policy with a person's own limits in the place of its own: who acts, and where, stays the catalogue's."""
    return {**reference, OWN: {key: value for key, value in flat(policy) if key.partition(".")[0] not in WHO and key not in WHO}}


def _translated(reference: Content) -> Iterator[tuple[str, Any]]:
    for key, value in flat(reference):
        if key in TABLE:
            yield translated(key, value)
        elif key in FIXED:
            if FIXED[key] is not ANY and value != FIXED[key]:
                raise Unrealised(f"{key} is {FIXED[key]!r} in this product, whatever a policy says; here it is {value!r}")
        elif not any(key == told or key.startswith(f"{told}.") for told in TOLD):
            raise Unrealised(f"the assumed policy has a key that nobody knows: {key}")


def translated(key: str, value: Any) -> tuple[str, Any]:
    """One key of theirs as one of ours. Raises Unrealised where it cannot be switched off."""
    ours = TABLE[key]
    if value != OFF:
        return ours.key, ours.convert(value)
    if ours.off is None:
        raise Unrealised(f"{key} cannot be switched off")
    return ours.key, ours.off


def flat(content: Content, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested record by dotted keys; lists stay whole."""
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as a nested record."""
    found: dict[str, Any] = {}
    for key, value in dotted.items():
        *sections, name = key.split(".")
        inner = found
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
    return found
