"""A catalogue of one's own: small, and whole enough to be read."""

from collections.abc import Mapping
from typing import Any

from agent.verify.attacks import catalogue
from agent.verify.attacks.catalogue import Case, Catalogue
from agent.verify.attacks.outcome import Setting

POLICY: Mapping[str, Any] = {
    "spend": {
        "auto_max_usd": 5_000,
        "two_person_above_usd": 10_000,
        "hard_max_usd": 20_000,
        "window_24h_usd": 30_000,
        "structuring": "same destination within 600 s is summed",
    },
    "slippage_max_bps": 50,
    "cumulative_loss_24h_bps": 150,
    "oracle_dex_max_dev_bps": 200,
    "oracle_max_age_s": 3_600,
    "stable_depeg_floor": 0.98,
    "swap_deadline_max_s": 1_200,
    "quote_max_age_s": 60,
    "plan_ttl_s": 300,
    "gas": {
        "max_fee_gwei": 100,
        "max_priority_gwei": 5,
        "gas_limit_max": 1_500_000,
        "fee_usd_max_tx_worst_case": 25,
        "fee_usd_max_24h": 100,
        "eth_reserve": "0.05",
    },
    "health_factor_min_after": 1.5,
    "concentration_pct": {"protocol": 40, "asset": 60, "issuer": 65, "look_through": True},
    "cooldown": {"same_market_reversal_s": 600, "actions_per_hour": 12, "identical_plan_s": 60},
    "approval": {"ttl_s": 900, "single_use": True},
    "kill_switch": {"clear_needs_humans": 2, "unreadable_state": "halt"},
    "compliance": {"profile": "none", "sanctions_list_max_age_s": 86_400},
}
WORLD: Mapping[str, Any] = {
    "default": {
        "wallet": {"ETH": "2", "$USDC": "25000", "$DAI": "15000", "$WETH": "7"},
        "positions": {"aave_v3": {"supplied": {"$USDC": "20000"}}, "mm_vault_usdc": {"assets": "13000"}},
    }
}
SETTING = Setting({}, POLICY, WORLD)


def case(surface: str = "raw_hash", content: Any = None, **fields: Any) -> dict[str, Any]:
    """One case as a file has it."""
    return {
        "id": "t-1",
        "category": "tests",
        "difficulty": 1,
        "benign": False,
        "title": "a title that gives it away",
        "surface": surface,
        "layer": "guard",
        "input": {surface: {"hash": "0x12"} if content is None else content},
        "expect": {"verdict": ["deny"], "rules": ["R-SIGN"]},
        **fields,
    }


def whole(*cases: Mapping[str, Any]) -> dict[str, Any]:
    """A file's content."""
    rules = dict.fromkeys(
        ["R-SIGN", "R-TARGET", "R-SCHEMA", "R-YIELD", "R-CONFIG", "R-KEY", "R-LOG", "R-SUPPLY", "R-TIMELOCK"], "x"
    )
    parts = {"meta": {}, "rules": rules, "bindings": {}, "reference_policy": dict(POLICY), "world": dict(WORLD)}
    return {**parts, "cases": [dict(one) for one in cases]}


def read(*cases: Mapping[str, Any]) -> Catalogue:
    """The catalogue of these cases."""
    return catalogue.of(whole(*cases))


def only(**fields: Any) -> Case:
    """The one case of a catalogue."""
    return read(case(**fields)).cases[0]
