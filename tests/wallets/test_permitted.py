"""New exposure is held against tables and lists; what only takes back is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.domain import (
    ALL,
    Action,
    AddLiquidity,
    Amount,
    Approve,
    Asset,
    Borrow,
    Claim,
    ClaimRewards,
    Collect,
    Market,
    RemoveLiquidity,
    Repay,
    Revoke,
    SetCollateral,
    Stake,
    Supply,
    Swap,
    SwapFor,
    Ticks,
    Transfer,
    Unstake,
    Unwrap,
    Withdraw,
    Wrap,
)
from strategies.protocols.adapter import Call
from tests.wallets import cases
from tests.wallets.cases import STRANGER, TREASURY, USDC
from tests.worlds import ACCOUNT, CHAIN, DEPLOYMENT, ETHER
from wallets.case import CLOCK_SKEW_SECONDS, Case
from wallets.checks import CHECKS
from wallets.permitted import compliant, screened, why_closed
from wallets.policy import Policy
from wallets.screening import Screening, Unscreened

USDT: Final = Asset(CHAIN, "0x" + "d7" * 20, "USDT", 6)
POOL: Final = Market("pool", "aave_v3", "0x" + "b1" * 20, USDT, (("receipt", "0x" + "b2" * 20),))
VAULT: Final = Market("vault", "metamorpho", "0x" + "b3" * 20, USDC, wraps=(POOL,))
EXCHANGE: Final = Market("swap", "uniswap_router", "0x" + "b4" * 20, USDC, (("router", "0x" + "b5" * 20),), others=(USDT,))
FURTHER: Final = Market("further", "uniswap_router", "0x" + "b6" * 20, USDT)
DAY: Final = 86_400
TICKS: Final = Ticks(-10, 10)


def usdt(raw: int = 5) -> Amount:
    return Amount(USDT, raw)


def usdc(raw: int = 5) -> Amount:
    return Amount(USDC, raw)


ENTERING: Final[dict[str, Action]] = {
    "supply": Supply(POOL, usdt()),
    "borrow": Borrow(POOL, usdt()),
    "swap": Swap(EXCHANGE, usdc(), usdt(), 9),
    "swap for": SwapFor(EXCHANGE, usdc(), usdt(), 9),
    "liquidity": AddLiquidity(EXCHANGE, TICKS, (usdc(), usdt()), (usdc(), usdt()), 9),
    "stake": Stake(POOL, usdt()),
    "wrap": Wrap(POOL, usdt()),
    "transfer": Transfer(usdt(), TREASURY),
}
LEAVING: Final[dict[str, Action]] = {
    "withdraw": Withdraw(POOL, ALL),
    "repay": Repay(POOL, usdt()),
    "revoke": Revoke(USDT, POOL.address),
    "remove": RemoveLiquidity(EXCHANGE, 1, 5, (usdc(), usdt()), 9),
    "collect": Collect(EXCHANGE, 1),
    "unstake": Unstake(POOL, usdt()),
    "claim": Claim(POOL, 1),
    "unwrap": Unwrap(POOL, usdt()),
    "rewards": ClaimRewards(POOL),
    "collateral": SetCollateral(POOL, is_used=False),
}
SELLING: Final[dict[str, Action]] = {
    "swap": Swap(EXCHANGE, usdt(), usdc(), 9),
    "swap for": SwapFor(EXCHANGE, usdt(), usdc(), 9),
}


def declared(**compliance: object) -> Policy:
    return cases.policy(compliance=compliance)


def doing(*actions: Action | None, policy: Policy | None = None, **changes: Any) -> Case:
    """A case of these actions, whatever their bytes: the two rules read nothing else of a plan."""
    calls = tuple(Call("0x" + "c0" * 20, b"") for _ in actions)
    made = replace(cases.case([Supply(cases.ONE, cases.usdc(1))]), actions=actions, calls=calls)
    deployment = replace(DEPLOYMENT, assets=(*DEPLOYMENT.assets, USDT))
    return replace(made, policy=policy or declared(), **{"deployment": deployment} | changes)


def of_list(case: Case, *addresses: str, age_seconds: int = 0) -> Case:
    """The case with a list of so long ago that names these, and somebody else."""
    policy = declared(screening=Path("list.json"), max_screening_age_seconds=DAY)
    taken_at = case.now - age_seconds
    return replace(case, policy=policy, screening=Screening("a register", taken_at, frozenset({STRANGER, *addresses})))


def test_both_rules_are_asked() -> None:
    assert {compliant, screened} <= set(CHECKS)


@pytest.mark.parametrize("name", ENTERING)
def test_nothing_new_goes_into_a_denied_asset(name: str) -> None:
    (reason,) = compliant(doing(ENTERING[name], policy=declared(profile="EU")))
    assert reason.rule == "compliance"
    assert reason.text == "call 0 brings in USDT: the profile EU denies it; what is held may only leave"
    assert compliant(doing(ENTERING[name])) == ()


@pytest.mark.parametrize("action", [*LEAVING.values(), *SELLING.values()])
def test_what_is_held_of_a_denied_asset_may_leave(action: Action) -> None:
    assert compliant(doing(action, policy=declared(profile="EU"))) == ()
    assert compliant(doing(action, policy=declared(denied_assets=("USDT",)))) == ()


def test_a_denied_asset_is_not_bought_on_the_way_either() -> None:
    policy, dai = declared(profile="EU"), Asset(CHAIN, "0x" + "da" * 20, "DAI", 18)
    onward = replace(FURTHER, others=(dai,))
    through = Swap(EXCHANGE, usdc(), Amount(dai, 5), 9, via=(onward,))
    (reason,) = compliant(doing(through, policy=policy))
    assert reason.text.startswith("call 0 brings in USDT")
    assert compliant(doing(through)) == ()
    assert compliant(doing(Swap(onward, Amount(USDT, 5), Amount(dai, 5), 9), policy=policy)) == ()


def test_an_allowance_is_judged_by_the_call_that_uses_it() -> None:
    policy = declared(profile="EU")
    assert compliant(doing(Approve(usdt(), POOL.address), Repay(POOL, usdt()), policy=policy)) == ()
    (reason,) = compliant(doing(Approve(usdt(), POOL.address), Supply(POOL, usdt()), policy=policy))
    assert reason.text.startswith("call 1 ")


def test_a_vault_is_looked_through_to_assets_that_the_deployment_knows() -> None:
    fund = Asset(CHAIN, VAULT.address, "FUND", 18)
    within = Asset(CHAIN, POOL.address, "INNER", 18)
    for share in (fund, within):
        named = replace(DEPLOYMENT, assets=(*DEPLOYMENT.assets, share), classes={share.address: "real-world-asset"})
        (reason,) = compliant(doing(Supply(VAULT, usdc()), deployment=named))
        assert reason.text.startswith(f"call 0 brings in {share.symbol}: it stands for an asset off the chain")
        assert compliant(doing(Withdraw(VAULT, ALL), deployment=named)) == ()


def test_every_call_and_every_asset_is_named() -> None:
    found = compliant(doing(*ENTERING.values(), policy=declared(profile="EU")))
    assert [reason.text.split(" brings")[0] for reason in found] == [f"call {at}" for at in range(len(ENTERING))]


def test_mainland_china_signs_nothing_and_may_play_on_paper() -> None:
    policy = declared(jurisdiction="CN")
    for action in (Supply(cases.ONE, usdc()), Withdraw(cases.ONE, ALL), Revoke(USDC, STRANGER)):
        (reason,) = compliant(doing(action, policy=policy))
        assert "in CN this program runs backtests and paper only" in reason.text
        assert compliant(doing(action, policy=policy, fees=None)) == ()


def test_a_private_chain_needs_no_list_and_another_does() -> None:
    case = doing(Supply(cases.ONE, usdc()))
    assert screened(case) == ()
    elsewhere = replace(case, policy=cases.policy(chain_id=11155111))
    (reason,) = screened(elsewhere)
    assert reason.rule == "screening"
    assert "there is no screening list: policy.compliance.screening must name one; until then only" in reason.text
    assert screened(replace(elsewhere, fees=None)) == ()


def test_a_list_that_is_named_and_missing_closes_the_private_chain_too() -> None:
    case = replace(of_list(doing(Supply(cases.ONE, usdc()))), screening=Unscreened("list.json: it is no JSON"))
    (reason,) = screened(case)
    assert reason.text.startswith("there is no screening list: list.json: it is no JSON; until then")
    assert screened(replace(case, actions=(Withdraw(cases.ONE, ALL),))) == ()
    assert screened(replace(case, screening=Unscreened(), fees=None)) != ()


@pytest.mark.parametrize("action", ENTERING.values())
@pytest.mark.parametrize(("age_seconds", "told"), [(DAY + 1, "older than 86400 s"), (-CLOCK_SKEW_SECONDS - 1, "from now")])
def test_a_list_that_is_not_of_now_lets_nothing_new_in(action: Action, age_seconds: int, told: str) -> None:
    (reason,) = screened(of_list(doing(action), age_seconds=age_seconds))
    assert reason.rule == "screening"
    assert told in reason.text
    assert "fetch it again" in reason.text


@pytest.mark.parametrize("action", LEAVING.values())
@pytest.mark.parametrize("age_seconds", [DAY + 1, -CLOCK_SKEW_SECONDS - 1, 10 * DAY])
def test_a_list_that_is_not_of_now_lets_everything_back(action: Action, age_seconds: int) -> None:
    assert screened(of_list(doing(action), age_seconds=age_seconds)) == ()


@pytest.mark.parametrize("action", [*ENTERING.values(), *SELLING.values()])
@pytest.mark.parametrize("age_seconds", [0, DAY, -CLOCK_SKEW_SECONDS])
def test_a_list_of_now_that_names_others_closes_nothing(action: Action, age_seconds: int) -> None:
    case = of_list(doing(action), age_seconds=age_seconds)
    assert why_closed(case) == ""
    assert screened(case) == ()


def test_nothing_is_sent_to_somebody_on_the_list_though_the_policy_names_them() -> None:
    (reason,) = screened(of_list(doing(Transfer(usdc(), TREASURY)), TREASURY))
    assert reason.text == f"call 0 deals with {TREASURY} (the recipient), whom the screening list names (a register)"


@given(st.integers(min_value=2, max_value=41), st.sampled_from("0123456789abcdef"))
def test_one_digit_off_is_another_address(place: int, digit: str) -> None:
    near = TREASURY[:place] + digit + TREASURY[place + 1 :]
    found = screened(of_list(doing(Transfer(usdc(), TREASURY)), near))
    assert bool(found) == (near == TREASURY)


@pytest.mark.parametrize(
    ("action", "address", "role"),
    [
        (Supply(POOL, usdt()), POOL.address, "the market pool"),
        (Supply(POOL, usdt()), "0x" + "b2" * 20, "receipt of pool"),
        (Supply(POOL, usdt()), USDT.address, "the token USDT"),
        (Supply(VAULT, usdc()), POOL.address, "the market pool"),
        (Borrow(POOL, usdt()), POOL.address, "the market pool"),
        (Swap(EXCHANGE, usdc(), usdt(), 9), "0x" + "b5" * 20, "router of swap"),
        (Swap(EXCHANGE, usdc(), usdt(), 9, via=(FURTHER,)), FURTHER.address, "the market further"),
        (SwapFor(EXCHANGE, usdc(), usdt(), 9), EXCHANGE.address, "the market swap"),
        (Stake(POOL, usdt()), POOL.address, "the market pool"),
        (Transfer(usdt(), TREASURY), USDT.address, "the token USDT"),
        (Supply(POOL, usdt()), ACCOUNT, "the account itself"),
    ],
)
def test_nothing_new_goes_where_the_list_names_anybody(action: Action, address: str, role: str) -> None:
    (reason,) = screened(of_list(doing(action), address))
    assert f"call 0 deals with {address} ({role})" in reason.text
    assert screened(of_list(doing(action), ETHER.address)) == ()


@pytest.mark.parametrize("action", LEAVING.values())
def test_what_takes_back_from_somebody_on_the_list_passes(action: Action) -> None:
    everybody = (POOL.address, EXCHANGE.address, USDT.address, "0x" + "b5" * 20, ACCOUNT)
    assert screened(of_list(doing(action), *everybody)) == ()


def test_nobody_on_the_list_is_allowed_to_take_unless_a_debt_is_paid() -> None:
    approval = Approve(usdt(), POOL.address)
    (reason,) = screened(of_list(doing(approval), POOL.address))
    assert "(who may take)" in reason.text
    assert screened(of_list(doing(approval, Repay(POOL, usdt())), POOL.address)) == ()


def test_bytes_that_nobody_reads_are_held_against_the_list_by_their_target() -> None:
    (reason,) = screened(of_list(doing(None), "0x" + "c0" * 20))
    assert "(the target)" in reason.text
    assert screened(of_list(doing(None))) == ()


def test_bytes_that_nobody_reads_are_searched_for_whom_the_list_names() -> None:
    case = of_list(doing(None))
    (reason,) = screened(replace(case, calls=(Call("0x" + "c0" * 20, b"\x01\x02" + bytes.fromhex(STRANGER[2:])),)))
    assert f"call 0 deals with {STRANGER} (named in the call)" in reason.text
    assert screened(replace(case, calls=(Call("0x" + "c0" * 20, b"\x01\x02" + bytes.fromhex(TREASURY[2:])),))) == ()


def test_an_old_list_still_names_whom_it_names() -> None:
    rules = [reason.text for reason in screened(of_list(doing(Transfer(usdc(), TREASURY)), TREASURY, age_seconds=2 * DAY))]
    assert len(rules) == 2
    assert "older than" in rules[0]
    assert "(the recipient)" in rules[1]
