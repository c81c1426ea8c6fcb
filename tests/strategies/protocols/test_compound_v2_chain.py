"""The model against Venus's own bytecode: after every step they are equal to the unit, and it refuses when the vToken does."""

from collections import Counter
from dataclasses import replace

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.artefacts import ensure
from agent.devnet.compound_v2 import PACKAGE
from strategies.domain import Amount, Borrow, Repay, Shares, Supply, Withdraw
from strategies.errors import ActionRefused, UnsupportedState
from strategies.protocols import compound_v2 as venus
from strategies.protocols.adapter import Applied
from strategies.protocols.compound_v2 import LendingToken
from strategies.units import MAX_UINT256, WAD
from tests.evm import Evm, undone
from tests.strategies.protocols.compound_v2_walk import (
    ADAPTER,
    act,
    administer,
    drained_walk_of,
    pass_time,
    provided,
    scene,
    walk_of,
)
from tests.strategies.protocols.differential import Scene, actions, judged, walked

IDS = ("venus:USDC", "venus:WETH")
EACH = pytest.mark.parametrize("market_id", IDS)

pytestmark = pytest.mark.chain


@EACH
def test_predicts_every_step_of_a_random_walk(evm: Evm, market_id: str) -> None:
    assert walked(evm, walk_of, market_id, seed=1, steps=100).total() == 100


@EACH
def test_predicts_every_step_in_a_market_that_was_emptied(evm: Evm, market_id: str) -> None:
    assert walked(evm, drained_walk_of, market_id, seed=2, steps=300).total() == 300


@pytest.mark.slow
def test_predicts_two_thousand_steps_with_each_action_fifty_times(evm: Evm) -> None:
    counts: Counter[str] = Counter()
    for market_id in IDS:
        for seed in range(4):
            counts += walked(evm, walk_of, market_id, seed=100 + seed, steps=250)
        counts += walked(evm, drained_walk_of, market_id, seed=200, steps=250)
    names = ("Supply", "Withdraw", "Withdraw shares", "Borrow", "Repay")
    assert actions(counts) >= 2_000
    assert all(counts[name] >= 50 and counts[f"{name} refused"] >= 50 for name in names), counts


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), market_id=st.sampled_from(IDS))
def test_predicts_any_walk(devnet: Evm, seed: int, market_id: str) -> None:
    assert walked(devnet, walk_of, market_id, seed=seed, steps=25).total() == 25


@EACH
def test_values_a_claim_as_the_vtoken_does_at_any_later_block(evm: Evm, market_id: str) -> None:
    chain = scene(evm, evm.market(market_id))
    state, held = chain.state(), [chain.position(account) for account in chain.accounts]
    for seconds in (0, 3, 59 * 3, 86_400, 400 * 86_400):
        with undone(evm):
            pass_time(evm, seconds)
            for account, mine in zip(chain.accounts, held, strict=True):
                names = ("balanceOfUnderlying(address)", "borrowBalanceCurrent(address)")
                supplied, owed = (evm.read(chain.market.address, name, "(uint256)", account)[0] for name in names)
                assert ADAPTER.value_raw(ADAPTER.accrue(state, seconds), mine) == supplied - owed


@pytest.mark.parametrize("actor", ["lender", "borrower"])
def test_counts_collateral_and_debt_as_the_comptroller_does(evm: Evm, actor: str) -> None:
    account, chains = evm.actors[actor], [scene(evm, evm.market(market_id)) for market_id in IDS]
    comptroller = chains[0].market.contract("comptroller")
    for chain in chains:  # a debt in both, so that both supplies count, and both written up to the same block
        evm.transact(account, chain.market.address, "mint(uint256)", 10**6)
        evm.transact(account, chain.market.address, "borrow(uint256)", 10**6)
    error, spare, short = evm.read(comptroller, "getAccountLiquidity(address)", "(uint256,uint256,uint256)", account)
    claims = [ADAPTER.solvency(chain.state(), chain.position(account)) for chain in chains]
    assert error == short == 0
    assert {claim.scope for claim in claims} == {comptroller}
    said = sum(claim.collateral_usd_e8 - claim.debt_usd_e8 for claim in claims)
    assert 0 <= spare // 10**10 - said <= len(claims) * 2  # each claim is rounded twice, against the account


@given(cash=st.integers(0, 10**30), borrows=st.integers(0, 10**30), share=st.integers(0, 99))
def test_makes_utilisation_and_rate_as_the_model_does(devnet: Evm, cash: int, borrows: int, share: int) -> None:
    chain, reserves = scene(devnet, devnet.market(IDS[0])), (cash + borrows) * share // 100
    model, said = (
        chain.market.contract("rate_model"),
        replace(chain.state(), cash_raw=cash, borrows_raw=borrows, reserves_raw=reserves),
    )
    for name, mine in (("utilizationRate", venus.utilisation_wad(said)), ("getBorrowRate", venus.borrow_rate_wad(said))):
        assert devnet.read(model, f"{name}(uint256,uint256,uint256)", "(uint256)", cash, borrows, reserves)[0] == mine


def test_shows_the_rates_the_vtoken_shows(evm: Evm) -> None:
    chain = scene(evm, evm.market(IDS[0]))
    columns, at = ADAPTER.columns(chain.state()), chain.market.address
    for name, apr in (("supplyRatePerBlock()", columns.supply_apr), ("borrowRatePerBlock()", columns.borrow_apr)):
        a_block = evm.read(at, name, "(uint256)")[0] / WAD
        assert apr == pytest.approx(a_block * 365 * 28_800, rel=1e-8)


def test_a_first_borrowing_is_refused_where_entering_is_paused_and_a_further_one_is_not(evm: Evm) -> None:
    chain = provided(evm, IDS[0])
    administer(
        evm, chain.market.contract("comptroller"), "_setActionsPaused(address[],uint8[],bool)", [chain.market.address], [7], True
    )
    state, one = chain.state(), Borrow(chain.market, Amount(chain.market.asset, 1))
    stranger, borrower = chain.accounts[2], chain.accounts[1]
    assert not chain.does(stranger, one)
    with pytest.raises(ActionRefused, match="paused"):
        ADAPTER.apply(state, chain.position(stranger), one)
    assert chain.does(borrower, one)
    assert ADAPTER.apply(state, chain.position(borrower), one).moved_raw(chain.market.asset) == 1


def with_curve(chain: Scene[LendingToken], *curve: int) -> Scene[LendingToken]:
    """The vToken on another JumpRateModel, pinned: base, slope and jump a year, kink, blocks a year."""
    code, deployer = ensure().hardhat(PACKAGE, "JumpRateModel").linked({}), chain.evm.actors["deployer"]
    model = chain.evm.create(deployer, code + encode(["uint256"] * 5, curve).hex())
    administer(chain.evm, chain.market.address, "_setInterestRateModel(address)", model)
    roles = dict(chain.market.contracts) | {"rate_model": model}
    return scene(chain.evm, replace(chain.market, contracts=tuple(sorted(roles.items()))))


@pytest.mark.parametrize(("excess_wad", "stands"), [(0, True), (1, False)])
def test_a_rate_above_the_most_a_block_may_cost_stops_everything(evm: Evm, excess_wad: int, stands: bool) -> None:
    chain = with_curve(provided(evm, IDS[0]), venus.MOST_WAD + excess_wad, 0, 0, WAD, 1)
    state, lender = chain.state(), chain.accounts[0]
    pass_time(evm, 3)
    for action in (Supply(chain.market, Amount(chain.market.asset, 10)), Withdraw(chain.market, Shares(10))):
        assert isinstance(judged(ADAPTER, ADAPTER.accrue(state, 3), chain.position(lender), action), Applied) is stands
        with undone(evm):
            assert chain.does(lender, action) is stands


@pytest.mark.parametrize("milliseconds", [450, 750, 3_000, 12_000])
def test_counts_the_whole_blocks_that_have_passed_at_the_pinned_pace(evm: Evm, milliseconds: int) -> None:
    market = evm.market(IDS[0])
    numbers = dict(market.numbers) | {"block_milliseconds": milliseconds}
    state = scene(evm, replace(market, numbers=tuple(sorted(numbers.items())))).state()
    stepped = state
    for _ in range(100):
        stepped = ADAPTER.accrue(stepped, 7)
    assert stepped == ADAPTER.accrue(state, 700)
    assert stepped.block - state.block == 700_000 // milliseconds


def test_reads_a_debt_to_one_unit_until_its_account_touches_it(evm: Evm) -> None:
    chain = provided(evm, IDS[0])
    borrower, lender = chain.accounts[1], chain.accounts[0]
    lost = 0
    for raw in range(1, 30):
        pass_time(evm, 3_600 * raw)
        assert chain.does(lender, Supply(chain.market, Amount(chain.market.asset, raw)))
        read = chain.position(borrower)
        pass_time(evm, 86_400)
        owed = evm.read(chain.market.address, "borrowBalanceCurrent(address)", "(uint256)", borrower)[0]
        lost += owed - venus.owed_raw(venus.touched(chain.state()), read.debt_raw)
        assert 0 <= owed - venus.owed_raw(venus.touched(chain.state()), read.debt_raw) <= 1
    assert lost


@pytest.mark.parametrize(
    ("what", "signature", "argument"),
    [
        ("not the pinned", "_setPriceOracle(address)", "stranger"),
        ("redemption fee", "_setTreasuryData(address,address,uint256)", "treasury"),
    ],
)
def test_a_state_that_is_not_modelled_is_refused_by_name(evm: Evm, what: str, signature: str, argument: str) -> None:
    chain = scene(evm, evm.market(IDS[0]))
    who = evm.actors[argument]
    administer(evm, chain.market.contract("comptroller"), signature, *((who,) if argument == "stranger" else (who, who, 10**15)))
    with pytest.raises(UnsupportedState, match=what):
        chain.state()


def test_stays_within_its_gas_estimate_with_the_exact_approval(evm: Evm) -> None:
    chain, one = provided(evm, IDS[0]), 10**9
    stranger, asset = chain.accounts[2], chain.market.asset
    evm.transact(stranger, asset.address, "approve(address,uint256)", chain.market.address, 0)
    amount = Amount(asset, one)
    for action in (Supply(chain.market, amount), Borrow(chain.market, amount), Repay(chain.market, amount)):
        pass_time(evm, 3)
        used = [evm.send(stranger, call) for call in ADAPTER.encode(action, stranger)]
        assert all(said.succeeded for said in used)
        gas = sum(said.gas_used for said in used)
        assert 3 * ADAPTER.gas(action) <= 4 * gas <= 4 * ADAPTER.gas(action), (action, gas)
    for taken in (Withdraw(chain.market, Shares(10**9)), Withdraw(chain.market, Amount(asset, one // 2))):
        pass_time(evm, 3)
        said = act(evm, stranger, taken)
        assert said.succeeded
        assert 3 * ADAPTER.gas(taken) <= 4 * said.gas_used <= 4 * ADAPTER.gas(taken), (taken, said.gas_used)


def test_an_amount_beyond_its_arithmetic_is_refused(evm: Evm) -> None:
    chain = provided(evm, IDS[0])
    lender, asset = chain.accounts[0], chain.market.asset
    evm.transact(lender, asset.address, "mint(address,uint256)", lender, 10**42)
    state, held = chain.state(), chain.position(lender)
    for raw in (MAX_UINT256 // WAD // WAD, MAX_UINT256 // WAD // WAD + 1):
        supply = Supply(chain.market, Amount(asset, raw))
        with undone(evm):
            assert chain.does(lender, supply) == isinstance(judged(ADAPTER, state, held, supply), Applied)
