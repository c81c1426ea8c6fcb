"""A token that says it has other decimals than were written down is worth another amount than every limit thinks."""

from dataclasses import replace
from pathlib import Path

import pytest

from strategies.domain import ALL, Asset, Repay, Revoke, Supply, Withdraw
from tests.wallets import cases
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, bench, supply_plan
from tests.worlds import CHAIN, ONE, USDC
from wallets import decimals, keeper
from wallets.checks import CHECKS
from wallets.decimals import denominated
from wallets.wallet import Refused

WRONG = "USDC says it has 18 decimals"


def test_the_rule_is_asked() -> None:
    assert denominated in CHECKS


def test_a_plan_that_touches_such_a_token_is_refused_and_another_is_not() -> None:
    case = cases.case([Supply(ONE, cases.usdc(5))])
    assert denominated(case) == ()
    (reason,) = denominated(replace(case, mismeasured=(WRONG,)))
    assert (reason.rule, reason.text) == ("token", WRONG)


def test_what_only_takes_back_is_let_through() -> None:
    for action in (Withdraw(ONE, ALL), Repay(ONE, cases.usdc(5)), Revoke(USDC, cases.STRANGER)):
        assert denominated(replace(cases.case([Supply(ONE, cases.usdc(5))]), actions=(action,), mismeasured=(WRONG,))) == ()


@pytest.mark.chain
def test_every_token_of_the_chain_has_the_decimals_that_the_deployment_names(chain: Chain) -> None:
    assert decimals.otherwise(chain.endpoint(), chain.deployment, chain.deployment.assets) == ()
    assert decimals.otherwise(chain.endpoint(), chain.deployment, ()) == ()
    keeper.refuse_unpinned(chain.endpoint(), chain.deployment)


@pytest.mark.chain
def test_a_token_with_others_and_one_that_says_nothing_are_named(chain: Chain) -> None:
    usdc = chain.deployment.asset("USDC")
    silent = Asset(CHAIN, "0x" + "de" * 20, "NONE", 6)
    found = decimals.otherwise(chain.endpoint(), chain.deployment, (replace(usdc, decimals=18), silent))
    assert [text.split(":")[0] for text in found] == [
        f"USDC ({usdc.address}) says it has 6 decimals; the deployment names 18",
        f"NONE ({silent.address}) does not say how many decimals it has; the deployment names 6",
    ]


@pytest.mark.chain
def test_a_wallet_asks_before_each_plan(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.fund(ACCOUNT)
    with bench(chain, tmp_path) as at:
        at.approved(supply_plan(chain), "one")
        monkeypatch.setattr(decimals, "otherwise", lambda *_: (WRONG,))
        verdict = at.wallet.judge(supply_plan(chain), "two")
        assert isinstance(verdict, Refused)
        assert [reason.rule for reason in verdict.reasons] == ["token"]
