"""The demo's attacks: each loses money where nobody guards the key, and each is refused by the keeper, by name."""

from pathlib import Path

import pytest

from agent.cli.attacks import attacks, unguarded_loss_raw
from agent.devnet import scenes
from tests.supervised import play
from wallets.wallet import Approved, Refused


@pytest.mark.chain
def test_every_attack_of_the_demo_loses_money_unguarded_and_is_refused_guarded(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        receipt = on.cycle()
        assert receipt is not None and receipt.complete
        scenes.fund(on.devnet, on.stage.account, usdc_raw=1_000 * 10**6)
        seen = on.session.feed().observe()
        found = attacks(seen, on.devnet.actor("stranger"))
        assert len(found) >= 4
        for attack in found:
            assert unguarded_loss_raw(on.devnet, on.stage.account, attack) > 0, (
                f"{attack.title}: costs nothing, so refusing it shows nothing"
            )
            verdict = on.keeper.judge_calls(attack.calls, intent=f"attack-{attack.rule}", plan_block=seen.block, reason="x")
            assert isinstance(verdict, Refused), attack.title
            assert attack.rule in {reason.rule for reason in verdict.reasons}, (attack.title, verdict.reasons)


@pytest.mark.chain
def test_an_honest_plan_passes_the_same_keeper(tmp_path: Path) -> None:
    with play(tmp_path) as on:
        waiting = on.planner.run("honest")
        assert waiting is not None
        assert isinstance(waiting.verdict, Approved)
