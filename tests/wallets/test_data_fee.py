"""What a rollup asks for data counts where gas counts; a stand-in at the predeploy's address asks one wei a byte."""

from dataclasses import replace
from pathlib import Path

import pytest

from strategies.domain import NATIVE, Amount, Deployment, Revoke, Supply
from strategies.errors import EndpointUnusable
from strategies.protocols.adapter import Call
from strategies.units import WAD
from tests.wallets.cases import case, fees
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, bench, supply_plan, yes
from tests.wallets.loopback import Loopback
from tests.wallets.test_endpoints import HEADER, NO_QUANTITY, RECEIPT, SENT, node
from tests.worlds import DEPLOYMENT, ONE, USDC
from wallets.case import gas_wei
from wallets.checks import as_intended
from wallets.data_fee import DOUBLINGS, ENVELOPE_BYTES, GAS_PRICE_ORACLE, data_fees_wei
from wallets.endpoints import Endpoint
from wallets.gas import affordable, reserve_kept, within_gas_budget
from wallets.receipts import receipt_of
from wallets.safe import Seat
from wallets.store import Signed
from wallets.wallet import Change, Refused

ECHO = "0x60043560005260206000f3"  # answers its first argument
SUPPLY = Supply(ONE, Amount(USDC, 10**6))


def rollup(chain: Chain, kind: str = "op-stack") -> Chain:
    return Chain(chain.devnet, replace(chain.deployment, rollup=kind))


@pytest.mark.chain
def test_the_chains_own_oracle_is_asked_for_the_most_that_each_calls_data_may_cost(chain: Chain) -> None:
    chain.devnet.node.rpc("anvil_setCode", GAS_PRICE_ORACLE, ECHO)
    deployment: Deployment = rollup(chain).deployment
    calls = (Call(ACCOUNT, b""), Call(ACCOUNT, bytes(100)))
    expected = (ENVELOPE_BYTES << DOUBLINGS, ENVELOPE_BYTES + 100 << DOUBLINGS)
    assert data_fees_wei(chain.endpoint(), deployment, calls) == expected
    for kind in ("none", "arbitrum"):
        assert data_fees_wei(chain.endpoint(), rollup(chain, kind).deployment, calls) == ()


@pytest.mark.chain
def test_an_oracle_that_does_not_say_refuses_all_but_revocations(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    assert data_fees_wei(chain.endpoint(), rollup(chain).deployment, (Call(ACCOUNT, b""),)) is None
    with bench(rollup(chain), tmp_path) as at:
        refused = at.wallet.judge(supply_plan(chain), "mute")
        assert isinstance(refused, Refused) and [reason.rule for reason in refused.reasons] == ["gas"]
        assert "does not say what it asks for data" in refused.reasons[0].text
        chain.devnet.node.rpc("anvil_setCode", GAS_PRICE_ORACLE, ECHO)
        approved = at.approved(supply_plan(chain), "said")
        assert at.wallet.execute(approved, yes(approved)).complete


@pytest.mark.chain
def test_a_fee_for_data_above_the_transactions_cap_is_refused(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    chain.devnet.node.rpc("anvil_setCode", GAS_PRICE_ORACLE, "0x67" + f"{WAD:016x}" + "60005260206000f3")  # one ether
    with bench(rollup(chain), tmp_path, max_transaction_gas_usd=1_000) as at:
        refused = at.wallet.judge(supply_plan(chain), "dear")
        assert isinstance(refused, Refused) and {reason.rule for reason in refused.reasons} == {"gas"}
        assert any("max_transaction_gas_usd" in reason.text for reason in refused.reasons)


def test_the_most_that_gas_can_cost_includes_the_data() -> None:
    made = case((SUPPLY,))
    free = gas_wei(made)
    taxed = replace(made, fees=fees(len(made.calls), data_fees_wei=(5,) * len(made.calls)))
    assert gas_wei(taxed) == free + 5 * len(made.calls)
    dear = replace(made, fees=fees(len(made.calls), data_fees_wei=(WAD,) * len(made.calls)))
    assert [reason.rule for reason in (*within_gas_budget(dear), *reserve_kept(dear))] == ["gas", "gas"]
    assert (within_gas_budget(made), reserve_kept(made)) == ((), ())


def test_a_revocation_leaves_though_nobody_says_what_its_data_costs() -> None:
    for actions, count in (((Revoke(USDC, ONE.address),), 0), ((SUPPLY,), 1)):
        made = case(actions)
        assert len(affordable(replace(made, fees=fees(len(made.calls), data_fees_wei=None)))) == count


def test_a_simulation_may_have_taken_the_fee_for_data_and_no_more() -> None:
    made = case((SUPPLY,))
    assert made.effects is not None
    effects = replace(made.effects, changes=(*made.effects.changes, Change(NATIVE, "ETH", -7)))
    taken = replace(made, effects=effects)
    assert [reason.rule for reason in as_intended(taken)] == ["effects"]
    assert as_intended(replace(taken, fees=fees(len(made.calls), data_fees_wei=(7,)))) == ()
    assert as_intended(replace(taken, fees=fees(len(made.calls), data_fees_wei=(6,)))) != ()


def test_a_receipt_tells_what_was_taken_for_data_and_it_counts_as_a_fee() -> None:
    signed = Signed(SENT, "one", 0, 0, 0, b"", 0, "mined")
    said = {"eth_getTransactionReceipt": RECEIPT | {"l1Fee": "0x64"}, "eth_getBlockByNumber": HEADER}
    with Loopback(node(said)) as server:
        endpoint = Endpoint(server.url, timeout_seconds=5)
        mined = endpoint.receipt(SENT)
        found = receipt_of(endpoint, DEPLOYMENT, Seat(ACCOUNT, None), intent="one", signed=(signed,), note="")
    assert mined is not None and mined.data_fee_wei == 100
    assert [one.fee_wei for one in found.transactions] == [mined.gas_used * mined.gas_price_wei + 100]


@pytest.mark.parametrize("wrong", NO_QUANTITY)
def test_a_fee_for_data_that_is_no_number_is_refused(wrong: object) -> None:
    with Loopback(node({"eth_getTransactionReceipt": RECEIPT | {"l1Fee": wrong}})) as server, pytest.raises(EndpointUnusable):
        Endpoint(server.url, timeout_seconds=5).receipt(SENT)
