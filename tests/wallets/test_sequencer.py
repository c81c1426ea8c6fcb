"""What passes while a rollup's sequencer is down, when it is believed again, and on the chain with a feed that says so."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from agent.devnet import feed as feeds_on_chain
from strategies.domain import ALL, Action, Approve, Borrow, Plan, Position, Repay, Revoke, Supply, Withdraw
from tests.wallets.cases import AAVE_USDC, AAVE_WETH, LENDING, POOL, case, lending_reading, usdc, weth
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, bench, supply_plan, yes
from tests.worlds import USDC, idle
from wallets import feeds
from wallets.checks import CHECKS
from wallets.sequencer import sequencer_up
from wallets.wallet import Approved, Refused, Verdict

FEED: Final = "0x" + "fe" * 20
NOW: Final = 1_700_000_000
DOWN = replace(lending_reading(), refused=((feeds.SEQUENCER, "it has been down for 5 s"),))


def answered(status: int, started: int) -> list[bytes | None]:
    return [b"".join(word.to_bytes(32, "big") for word in (1, status, started, started, 1))]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answered(0, NOW - 3_600), ""),
        (answered(0, NOW - 3_599), "it came back 3599 s ago; prices are believed after 3600 s"),
        (answered(1, NOW - 9), "it has been down for 9 s"),
        (answered(2, NOW - 4_000), "does not say whether it is up"),
        (answered(0, 0), "does not say whether it is up"),
        (answered(0, NOW + 1), "does not say whether it is up"),
        ([None], "does not say whether it is up"),
        ([b"\x00" * 32], "does not say whether it is up"),
    ],
)
def test_a_sequencer_is_believed_when_its_feed_says_that_it_has_been_up_for_a_while(said: list[bytes | None], why: str) -> None:
    fault = feeds.sequencer_fault(FEED, said, NOW)
    assert (fault == why) if not why else why in fault


@pytest.mark.parametrize(
    ("actions", "passes"),
    [
        ((Supply(AAVE_USDC, usdc(1)),), False),
        ((Borrow(AAVE_USDC, usdc(1)),), False),
        ((Revoke(USDC, POOL),), True),
        ((Approve(usdc(1), POOL), Repay(AAVE_USDC, usdc(1))), True),
        ((Approve(usdc(1), POOL), Supply(AAVE_USDC, usdc(1))), False),
        ((Approve(usdc(1), POOL),), False),
        ((Withdraw(AAVE_USDC, ALL),), True),
        ((Withdraw(AAVE_USDC, ALL), Supply(AAVE_WETH, weth(1))), False),
        ((None,), False),
    ],
)
def test_while_it_is_down_only_what_needs_no_price_passes(actions: tuple[Action | None, ...], passes: bool) -> None:
    made = replace(case((), deployment=LENDING, seen=DOWN), actions=actions)
    reasons = sequencer_up(made)
    assert (reasons == ()) is passes
    assert all(reason.rule == "sequencer" and "down for 5 s" in reason.text for reason in reasons)
    assert sequencer_up(replace(made, reading=lending_reading())) == ()


def test_a_withdrawal_from_under_a_debt_waits_for_prices() -> None:
    held = replace(idle(), positions=(Position(AAVE_WETH, 1), Position(AAVE_USDC, 0, 1)))
    made = replace(case((), deployment=LENDING, seen=DOWN, portfolio=held), actions=(Withdraw(AAVE_WETH, weth(1)),))
    assert [reason.rule for reason in sequencer_up(made)] == ["sequencer"]
    assert sequencer_up(replace(made, portfolio=idle())) == ()


def test_the_rule_is_among_the_guards_checks() -> None:
    assert sequencer_up in CHECKS


@pytest.mark.chain
def test_on_the_chain_a_feed_that_says_down_holds_what_enters_and_lets_out_what_leaves(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    node, core = chain.devnet.node, chain.market("aave-core:USDC")
    up = feeds_on_chain.create_feed(node, chain.devnet.actor("deployer"), 0)
    feeds_on_chain.freeze(node, up, node.latest()[1] - 4_000)
    known = chain.deployment
    code = {**known.code, up: known.code[next(iter(known.feeds.values()))]}
    watched = Chain(chain.devnet, replace(known, sequencer=up, code=code))

    def judged(intent: str, *actions: Action) -> Verdict:
        return at.wallet.judge(Plan(actions, node.latest()[0], "to see"), intent)

    with bench(watched, tmp_path) as at:
        approved = at.approved(supply_plan(watched))
        assert at.wallet.execute(approved, yes(approved)).complete
        feeds_on_chain.answer(node, up, 1)
        refused = judged("in", Supply(core, chain.usdc(1)))
        assert isinstance(refused, Refused) and {reason.rule for reason in refused.reasons} == {"sequencer"}
        assert isinstance(judged("out", Withdraw(core, ALL)), Approved)
        feeds_on_chain.answer(node, up, 0)
        feeds_on_chain.freeze(node, up, node.latest()[1] - 60)
        assert isinstance(judged("too soon", Supply(core, chain.usdc(1))), Refused)
        node.rpc("anvil_setCode", up, "0x60006000fd")
        assert isinstance(judged("mute", Supply(core, chain.usdc(1))), Refused)
