"""Both wallets read the list anew for every plan."""

import json
from pathlib import Path

import pytest

from strategies.domain import ALL, Amount, Plan, Portfolio, Supply, Withdraw
from strategies.units import WAD
from tests.wallets import cases
from tests.wallets.cases import AAVE_USDC, LENDING, STRANGER, usdc
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, bench, supply_plan
from tests.worlds import ETHER
from wallets.paper import ModelWorld, PaperWallet
from wallets.wallet import Approved, Refused, Verdict


def put_list(path: Path, taken_at: int, *addresses: str) -> None:
    path.write_text(json.dumps({"source": "a register", "taken_at": taken_at, "addresses": [STRANGER, *addresses]}))


def rules(verdict: Verdict) -> list[str]:
    return [] if isinstance(verdict, Approved) else [reason.rule for reason in verdict.reasons]


def test_on_paper_nothing_new_is_bought_without_a_list_of_now(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    world = ModelWorld(cases.lending_reading(), LENDING)
    start = Portfolio((usdc(60_000), Amount(ETHER, WAD)))
    policy = cases.policy(compliance={"screening": path})
    wallet = PaperWallet(policy=policy, deployment=LENDING, portfolio=start, world=world)
    now = world.reading().timestamp
    plan = Plan((Supply(AAVE_USDC, usdc(10)),), world.reading().block, "test")
    assert rules(wallet.judge(plan, "absent")) == ["screening"]
    put_list(path, now - 86_401)
    assert rules(wallet.judge(plan, "stale")) == ["screening"]
    put_list(path, now, AAVE_USDC.address)
    assert set(rules(wallet.judge(plan, "listed"))) == {"screening"}
    put_list(path, now)
    approved = wallet.judge(plan, "fresh")
    assert isinstance(approved, Approved)
    wallet.execute(approved, ())
    path.unlink()
    back = Plan((Withdraw(AAVE_USDC, ALL),), world.reading().block, "test")
    assert isinstance(wallet.judge(back, "back"), Approved)


@pytest.mark.chain
def test_on_the_chain_nothing_new_is_bought_without_a_list_of_now(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    path = tmp_path / "list.json"
    with bench(chain, tmp_path, compliance={"screening": path}) as at:
        verdict = at.wallet.judge(supply_plan(chain), "absent")
        assert isinstance(verdict, Refused)
        assert [reason.rule for reason in verdict.reasons] == ["screening"]
        assert "it cannot be read" in verdict.reasons[0].text
        put_list(path, at.parts.endpoint.now())
        assert isinstance(at.wallet.judge(supply_plan(chain), "fresh"), Approved)
        put_list(path, at.parts.endpoint.now() - 86_500)
        assert rules(at.wallet.judge(supply_plan(chain), "stale")) == ["screening"]
