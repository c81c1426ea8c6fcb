"""The published ERC-4626 vectors, every case, equality: they were made by executing OpenZeppelin's contract."""

import json
from pathlib import Path

import pytest

from agent.verify.cases.erc4626 import GROUPS
from agent.verify.vectors import compare
from strategies.units import MAX_UINT256

VECTORS = Path(__file__).parents[4] / "shared" / "benchmarks" / "vectors" / "erc4626.json"


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared folder with the published vectors is not beside this repository")
def test_every_published_case_is_equal() -> None:
    (cases,) = (group["cases"] for group in json.loads(VECTORS.read_text())["groups"])
    assert [found for at, case in enumerate(cases) if (found := compare(at, case, GROUPS["previews"]))] == []


def test_what_256_bits_do_not_carry_is_a_revert_of_its_preview_alone() -> None:
    given = {"decimals_offset": "0", "total_assets": "0", "total_supply": "9", "amount": str(MAX_UINT256)}
    said = GROUPS["previews"]({"in": given})
    assert (said["preview_deposit_shares"], said["preview_withdraw_shares"]) == ("REVERT", "REVERT")
    assert (said["preview_redeem_assets"], said["preview_mint_assets"]) == (str(MAX_UINT256 // 10), str(MAX_UINT256 // 10 + 1))
