"""How many people a live plan needs, a final no, and what the day's limits remember across restarts: on the real chain."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strategies.domain import ALL, Plan, Supply, Withdraw
from strategies.errors import NotApproved
from strategies.protocols.registry import encode
from strategies.units import GWEI, USD_E8
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, ADA, OPERATOR, Bench, bench, said_yes, supply_plan
from wallets import operators, sending
from wallets.policy import Operator
from wallets.wallet import Approved, Refused, Stated, Wish, Yes

pytestmark = pytest.mark.chain
BOB = Ed25519PrivateKey.from_private_bytes(b"\x02" * 32)
SECOND = Operator(name="bob", public_key=operators.public_key(BOB))
LIMITS: dict[str, Any] = {
    "operators": (OPERATOR, SECOND),
    "people": {"max_unattended_usd": 5_000, "two_people_above_usd": 10_000},
    "pace": {"max_plans_hour": 3, "repeat_seconds": 0},
}


@pytest.fixture(autouse=True)
def funded(chain: Chain) -> None:
    chain.fund(ACCOUNT)


def by(approved: Approved, *names: str) -> tuple[Yes, ...]:
    keys = {"ada": ADA, "bob": BOB}
    return tuple(said_yes(keys[name], name, approved.digest) for name in names)


def wanted(at: Bench, chain: Chain, whole: int, intent: str = "one") -> Approved:
    return at.approved(supply_plan(chain, whole), intent)


@pytest.mark.parametrize(("whole", "people"), [(5_000, 0), (5_001, 1), (10_001, 2)])
def test_a_plan_leaves_with_as_many_yeses_as_it_needs_and_no_fewer(chain: Chain, tmp_path: Path, whole: int, people: int) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        approved = wanted(at, chain, whole)
        assert approved.people == people
        for few in range(people):
            with pytest.raises(NotApproved, match="two different operators" if people == 2 else "one must") as refused:
                at.wallet.execute(approved, by(approved, "ada", "bob")[:few])
            assert refused.value.rule == ("two-people" if people == 2 else "approval")
        assert chain.sent(ACCOUNT) == 0
        assert at.wallet.execute(approved, by(approved, "ada", "bob")[:people]).complete


def test_one_person_saying_yes_twice_is_one_person(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        approved = wanted(at, chain, 12_000)
        with pytest.raises(NotApproved, match="ada said yes; two different operators must"):
            at.wallet.execute(approved, by(approved, "ada", "ada"))
        assert chain.sent(ACCOUNT) == 0


def test_a_bad_signature_among_good_ones_is_a_no(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        approved = wanted(at, chain, 1_000)
        with pytest.raises(NotApproved, match="does not verify"):
            at.wallet.execute(approved, (*by(approved, "ada"), said_yes(ADA, "bob", approved.digest)))


def test_a_no_is_final_whoever_says_yes_later(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        approved = wanted(at, chain, 6_000)
        forged = operators.sign_no(BOB, "ada", intent="one", digest=approved.digest)
        with pytest.raises(NotApproved, match="does not verify"):
            at.wallet.reject(forged)
        at.wallet.reject(operators.sign_no(ADA, "ada", intent="one", digest=approved.digest))
        with pytest.raises(NotApproved, match="final"):
            at.wallet.execute(approved, by(approved, "ada", "bob"))
    with bench(chain, tmp_path, **LIMITS) as again, pytest.raises(NotApproved, match="final"):
        again.wallet.execute(approved, by(approved, "bob"))
    assert chain.sent(ACCOUNT) == 0


def test_a_rejection_signature_is_no_yes_and_a_yes_no_rejection(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        approved = wanted(at, chain, 6_000)
        no = operators.sign_no(ADA, "ada", intent="one", digest=approved.digest)
        with pytest.raises(NotApproved, match="does not verify"):
            at.wallet.execute(approved, (Yes("ada", approved.digest, no.signature),))


def test_what_was_done_counts_after_a_restart(chain: Chain, tmp_path: Path) -> None:
    for at_once in range(3):
        with bench(chain, tmp_path, **LIMITS) as at:
            approved = wanted(at, chain, 1_000 + at_once, f"plan-{at_once}")
            at.wallet.execute(approved, ())
            assert len(at.parts.store.moves(at.parts.endpoint.now())) == at_once + 1
    with bench(chain, tmp_path, **LIMITS) as again:
        refused = again.wallet.judge(supply_plan(chain, 1_010), "fourth")
        assert isinstance(refused, Refused)
        assert {reason.rule for reason in refused.reasons} == {"pace"}
        home = Plan((Withdraw(chain.market("aave-core:USDC"), ALL),), chain.devnet.node.latest()[0], "home")
        assert again.wallet.execute(again.approved(home, "home"), ()).complete


def test_small_plans_into_one_place_are_added_up(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        first = wanted(at, chain, 3_000)
        at.wallet.execute(first, ())
        second = wanted(at, chain, 2_500, "two")
        assert second.people == 1
        assert at.approved(supply_plan(chain, 2_500, "aave-prime:USDC"), "elsewhere").people == 0


def test_a_plan_that_grew_by_what_was_done_meanwhile_needs_more_people(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        one, two = wanted(at, chain, 3_000), wanted(at, chain, 2_500, "two")
        assert (one.people, two.people) == (0, 0)
        at.wallet.execute(one, ())
        with pytest.raises(NotApproved, match="one must"):
            at.wallet.execute(two, ())
        assert at.parts.store.spent(at.parts.endpoint.now()).usd_e8 == 3_000 * USD_E8


def test_what_a_client_wishes_for_fees_is_heard_inside_the_caps(chain: Chain, tmp_path: Path) -> None:
    calls = encode(Supply(chain.market("aave-core:USDC"), chain.usdc(1_000)), ACCOUNT)
    block = chain.devnet.node.latest()[0]
    with bench(chain, tmp_path, **LIMITS) as at:
        for intent, wish, rule in (
            ("fee", Wish(max_fee_wei=500 * GWEI), "gas"),
            ("gas", Wish(gas_limit=30_000_000), "gas"),
            ("tip", Wish(max_priority_fee_wei=50 * GWEI, max_fee_wei=60 * GWEI), "gas"),
        ):
            refused = at.wallet.judge_calls(calls, intent=intent, plan_block=block, reason="", wish=wish)
            assert isinstance(refused, Refused)
            assert rule in {reason.rule for reason in refused.reasons}
        fine = Wish(max_fee_wei=20 * GWEI, max_priority_fee_wei=GWEI)
        approved = at.wallet.judge_calls(calls, intent="fine", plan_block=block, reason="", wish=fine)
        assert isinstance(approved, Approved), approved
        assert at.wallet.execute(approved, ()).complete


def test_a_wish_offers_no_less_than_what_is_sure_to_be_mined(chain: Chain, tmp_path: Path) -> None:
    calls = encode(Supply(chain.market("aave-core:USDC"), chain.usdc(1_000)), ACCOUNT)
    block = chain.devnet.node.latest()[0]
    with bench(chain, tmp_path, **LIMITS) as at:
        base_fee_wei = at.parts.endpoint.read_header().base_fee_wei
        least = Wish(max_fee_wei=base_fee_wei, max_priority_fee_wei=0)
        approved = at.wallet.judge_calls(calls, intent="low", plan_block=block, reason="", wish=least)
        assert isinstance(approved, Approved), approved
        chain.devnet.node.set_next_base_fee(base_fee_wei * 5 // 4)
        assert at.wallet.execute(approved, ()).complete


def test_bytes_that_do_not_do_what_is_said_are_refused(chain: Chain, tmp_path: Path) -> None:
    calls = encode(Supply(chain.market("aave-core:USDC"), chain.usdc(1_000)), ACCOUNT)
    block = chain.devnet.node.latest()[0]
    with bench(chain, tmp_path, **LIMITS) as at:
        said = {"right": Stated("supply", "USDC", "1000"), "wrong": Stated("supply", "USDC", "100")}
        verdicts = {
            name: at.wallet.judge_calls(calls, intent=name, plan_block=block, reason="", stated=(stated,))
            for name, stated in said.items()
        }
    assert isinstance(verdicts["right"], Approved)
    assert isinstance(verdicts["wrong"], Refused)
    assert {reason.rule for reason in verdicts["wrong"].reasons} == {"units"}


def test_what_another_process_began_meanwhile_is_counted_before_a_plan_is_begun(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench(chain, tmp_path, **LIMITS) as at:
        one, two = wanted(at, chain, 3_000), wanted(at, chain, 2_500, "two")
        asked = sending.agreed_nonces

        def overtaken(parts: sending.Parts) -> tuple[int, int | None]:  # between what was gathered and what is reserved
            monkeypatch.setattr(sending, "agreed_nonces", asked)
            at.wallet.execute(one, ())
            return asked(parts)

        monkeypatch.setattr(sending, "agreed_nonces", overtaken)
        with pytest.raises(NotApproved, match="one must"):
            at.wallet.execute(two, ())
        assert {move.intent for move in at.parts.store.moves(at.parts.endpoint.now())} == {"one"}
