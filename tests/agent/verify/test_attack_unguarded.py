"""With nobody in between the attacks cost what they say, or the table says why they cannot."""

from typing import Any

import pytest

from agent.verify.attacks.unguarded import Loss, without_guard
from agent.verify.attacks.world import Stage
from tests.agent.verify.attack_world import approve, call, deposit, handed, supply, units

pytestmark = pytest.mark.chain


def lost(laid: Stage, *steps: dict[str, Any], **given: Any) -> Loss:
    content = {"tx": steps[0]} if len(steps) == 1 else {"plan": {"steps": list(steps)}}
    found = without_guard(laid, handed(content, given))
    laid.clear()
    return found


@pytest.mark.parametrize(
    ("step", "given", "usd"),
    [
        (supply(for_whom="$ATTACKER"), {}, 1_000),
        (supply(to="$AAVE_POOL_POISON"), {}, 1_000),
        (call("$AUSDC", "transfer(address,uint256)", to="$ATTACKER", amount=units(1_000, "$USDC")), {}, 1_000),
        (approve("$USDC", "$ATTACKER", 700), {}, 700),
        (deposit(), {"code": {"$MM_VAULT_USDC": {"slot_1967": "$ATTACKER_C"}}}, 1_000),
        (deposit(), {"simulation": {"extra": "Transfer $DAI $WALLET->$ATTACKER_C 50"}}, 50),
        (deposit(), {"contract": {"$MM_VAULT_USDC": {"if": "tx.gasprice==0", "then": "honest", "else": "skim 100 %"}}}, 1_000),
        (call("$VDEBT_DAI", "approveDelegation(address,uint256)", delegatee="$ATTACKER", amount={"max": "uint256"}), {}, 1_000),
        (call("$UNI_NFT", "setApprovalForAll(address,bool)", operator="$ATTACKER", approved=True), {}, 6_000),
    ],
)
def test_an_attack_works_where_nobody_guards(laid: Stage, step: dict[str, Any], given: dict[str, Any], usd: int) -> None:
    found = lost(laid, step, **given)
    assert found.happened == "mined"
    assert abs(found.lost_usd - usd) < 1


def test_what_a_good_transaction_moves_is_no_loss(laid: Stage) -> None:
    found = lost(laid, supply())
    assert found.lost_usd == 0
    assert "moves 1,000.00 USD" in found.why


def test_the_table_says_why_an_attack_cannot_work_by_itself(laid: Stage) -> None:
    assert "reverts by itself: allowance" in lost(laid, supply(), approve("$USDC", "$AAVE_POOL", 1_000)).happened
    assert "refused by the node" in lost(laid, supply() | {"chainId": "1"}).happened
    left = lost(laid, approve("$USDC", "$AAVE_POOL", 1_000), supply(100))
    assert "900 USDC may still be taken" in left.why
