"""Policies that cannot mean what they say are refused at start: each mistake beside the policy that has it not."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.wallets.cases import policy
from wallets.policy import Operator

ADA, BOB = (Operator(name=name, public_key=f"{number:02x}" * 32) for name, number in (("ada", 1), ("bob", 2)))
TWO: dict[str, Any] = {"operators": (ADA, BOB)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"markets": ()}, "names? at least one market|markets is empty"),
        ({"max_transaction_usd": 80_001}, "max_transaction_usd is above max_day_usd"),
        ({"borrow_markets": ("nowhere",)}, "borrow_markets names a market"),
        ({"max_protocol_usd": 99_999}, "max_protocol_usd is below max_market_usd"),
        ({"max_transaction_gas_usd": 1_001}, "max_transaction_gas_usd is above max_day_gas_usd"),
        ({"price_sources": ("exchange",)}, "price_sources must name"),
        ({"price_sources": ("oracle", "hearsay")}, "price_sources must name"),
        ({"min_health_factor_bps": 9_999}, "greater than or equal to 10000"),
        ({"operators": (ADA, Operator(name="ada", public_key=BOB.public_key))}, "share one name"),
        ({"operators": (ADA, Operator(name="bob", public_key=ADA.public_key))}, "share one public key"),
        ({"people": {"max_unattended_usd": 80_000}}, "nobody would ever be asked"),
        ({"people": {"two_people_above_usd": 80_000}, **TWO}, "two people would never be asked"),
        ({"people": {"max_unattended_usd": 5_000, "two_people_above_usd": 4_999}, **TWO}, "below people.max_unattended_usd"),
        ({"people": {"two_people_above_usd": 10_000}, "operators": (ADA,)}, "asks for two operators"),
        ({"people": {"resume_people": 2}, "operators": (ADA,)}, "asks for two operators"),
        ({"people": {"resume_people": 3}, **TWO}, "less than or equal to 2"),
        ({"concentration": {"max_asset_bps": 10_001}}, "less than or equal to 10000"),
        ({"concentration": {"max_asset_bps": 0}}, "greater than 0"),
        ({"pace": {"max_plans_hour": 0}}, "greater than 0"),
        ({"exchange": {"max_slippage_bps": 0.5}}, "write a whole number"),
        ({"exchange": {"unknown": 1}}, "Extra inputs"),
    ],
)
def test_a_limit_that_could_never_bind_or_never_be_met_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        policy(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"people": {"max_unattended_usd": 79_999}},
        {"people": {"two_people_above_usd": 79_999}, **TWO},
        {"people": {"max_unattended_usd": 5_000, "two_people_above_usd": 5_000}, **TWO},
        {"people": {"resume_people": 2}, **TWO},
        {"people": {"two_people_above_usd": "none"}, "operators": (ADA,)},
        {"max_transaction_usd": 80_000, "max_protocol_usd": 100_000, "max_transaction_gas_usd": 1_000},
        {"min_health_factor_bps": 10_000, "price_sources": ("oracle", "exchange")},
    ],
)
def test_a_limit_at_its_edge_stands(change: dict[str, Any]) -> None:
    policy(**change)
