"""A running keeper under terms that people change: what is stricter counts for the very next request, what is looser waits."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strategies.domain import Plan
from strategies.errors import NotApproved, SettingsError
from tests.wallets.chain import Chain
from tests.wallets.house import House
from tests.wallets.keeper_process import Running, launch
from tests.wallets.live_parts import ACCOUNT, bench, supply_plan, yes
from wallets import keeper
from wallets.changes import Terms
from wallets.endpoints import code_digest
from wallets.journal import Journal
from wallets.pinned import otherwise
from wallets.policy import Policy, policy_digest
from wallets.terms import Source, read_shown
from wallets.wallet import Approved, Refused

OTHER = "0x" + "77" * 20

pytestmark = pytest.mark.chain


def written(house: House, **limits: object) -> None:
    """The settings file anew, as an editor leaves it."""
    scratch = house.settings.with_suffix(".new")
    scratch.write_text(json.dumps({**house.content, "policy": {**house.content["policy"], **limits}}))
    scratch.replace(house.settings)


def rules(found: Running, plan: Plan, intent: str) -> set[str]:
    """Why the keeper refuses a plan; empty where it does not."""
    verdict = found.client.judge(plan, intent)
    return {reason.rule for reason in verdict.reasons} if isinstance(verdict, Refused) else set()


def test_a_lower_limit_counts_for_the_very_next_request_and_after_a_restart(house: House) -> None:
    plan = supply_plan(house.chain)
    with house.keeper() as found:
        approved = found.client.judge(plan, "one")
        assert isinstance(approved, Approved)
        written(house, max_transaction_usd=100)
        assert rules(found, plan, "two") == {"cap-transaction"}
        with pytest.raises(NotApproved):
            found.client.execute(approved, yes(approved))
        assert found.client.status().terms_waiting == ""
    with house.keeper() as again:
        assert rules(again, plan, "three") == {"cap-transaction"}
    assert house.chain.sent(house.account) == 0


def test_a_higher_limit_is_seen_and_waits_over_restarts(house: House) -> None:
    large = supply_plan(house.chain, 60_000)
    with house.keeper() as found:
        before = found.client.status().policy_digest
        assert rules(found, large, "one") == {"cap-transaction"}
        written(house, max_transaction_usd=90_000)
        assert rules(found, large, "two") == {"cap-transaction"}
        status = found.client.status()
        assert (status.policy_digest, len(status.terms_waiting)) == (before, 64)
    with house.keeper() as again:
        assert rules(again, large, "three") == {"cap-transaction"}
        assert again.client.status() == status
    shown = read_shown(house.folder)
    assert shown is not None
    assert shown.waiting is not None


def test_an_edited_deployment_is_not_loaded_and_a_broken_file_changes_nothing(house: House) -> None:
    path, plan = Path(house.content["deployment"]), supply_plan(house.chain)
    with house.keeper() as found:
        content: dict[str, Any] = json.loads(path.read_text())
        content["markets"][0]["address"] = OTHER
        path.write_text(json.dumps(content))
        assert rules(found, plan, "one") == set()
        assert found.client.status().terms_waiting
        path.write_text("{")
        assert rules(found, plan, "two") == set()
    path.write_text(json.dumps(content))
    with house.keeper() as again:
        assert rules(again, plan, "three") == set()


def test_another_account_in_the_same_folder_does_not_start(house: House) -> None:
    with house.keeper():
        pass
    written(house, account=OTHER)
    said, _ = launch(house.settings, house.password).communicate(timeout=30)
    assert "another wallet.folder" in said


def charter(chain: Chain, folder: Path, written: list[Terms]) -> Terms:
    """What a start leaves in force."""
    with bench(chain, folder) as at:
        journal, source = Journal(at.parts.store), Source((), lambda: written[-1])
        return keeper.charter_of(folder, store=at.parts.store, journal=journal, source=source, endpoint=at.parts.endpoint).terms


def policy_of(chain: Chain, folder: Path) -> Policy:
    with bench(chain, folder) as at:
        return at.parts.policy


def test_a_changed_contract_stays_stopped_until_people_have_agreed_to_its_new_pin(chain: Chain, tmp_path: Path) -> None:
    policy, pinned = policy_of(chain, tmp_path), chain.deployment
    first = Terms(policy, pinned)
    assert charter(chain, tmp_path, [first]) == first
    token = chain.devnet.token("USDC")
    chain.devnet.node.rpc("anvil_setCode", token, "0x00")
    repinned = Terms(
        policy,
        replace(pinned, code={**pinned.code, token: code_digest(b"\x00")}),
    )
    for _ in range(2):  # the keeper starts, for the way out; the old pin stands, and the guard holds every plan against it
        found = charter(chain, tmp_path, [repinned])
        assert found.deployment.code[token] == pinned.code[token]
        assert "carries other code" in otherwise(chain.endpoint(), found.deployment)
    shown = read_shown(tmp_path)
    assert shown is not None
    assert (shown.in_force, shown.waiting is None) == (first, False)


def test_first_terms_that_do_not_fit_the_chain_are_not_remembered(chain: Chain, tmp_path: Path) -> None:
    policy, token = policy_of(chain, tmp_path), chain.devnet.token("USDC")
    wrong = replace(chain.deployment, code={**chain.deployment.code, token: "0x" + "00" * 32})
    with pytest.raises(SettingsError, match="pins"):
        charter(chain, tmp_path, [Terms(policy, wrong)])
    assert charter(chain, tmp_path, [Terms(policy, chain.deployment)]) == Terms(policy, chain.deployment)


def test_the_policy_digest_of_a_yes_is_the_one_in_force(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    policy = policy_of(chain, tmp_path)
    tight = policy.model_copy(update={"max_calls": 3})
    in_force = charter(chain, tmp_path, [Terms(policy, chain.deployment)])
    assert policy_digest(in_force.policy) == policy_digest(policy)
    assert policy_digest(charter(chain, tmp_path, [Terms(tight, chain.deployment)]).policy) == policy_digest(tight)
