"""Trades on the router's own bytecode: what leaves is exactly what was said, what arrives never less than the least."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.devnet.chain import Devnet
from agent.devnet.contracts import send
from strategies.domain import NATIVE, Address, Amount, Asset, Market, Payout, Position, Swap, SwapFor
from strategies.errors import ActionRefused
from strategies.protocols import erc20
from strategies.protocols.registry import deployment_from, parse
from strategies.protocols.uniswap_router import PoolPrice, Trade, UniswapRouter, ends, mid_raw, most_out_raw
from tests.evm import Evm, Outcome, undone

pytestmark = pytest.mark.chain

ADAPTER = UniswapRouter()
WAD, FAR = 10**18, 2**40
IDS = ("swap:USDC/WETH-500", "swap:USDC/DAI-3000")


def state_of(evm: Evm, market: Market) -> PoolPrice:
    return ADAPTER.decode(market, evm.ask(ADAPTER.reads(market)), evm.timestamp)


def carried_out(evm: Evm, account: Address, trade: Trade) -> Outcome:
    """All calls of a trade; the outcome of its own."""
    outcomes = [(evm.send(account, call), call) for call in ADAPTER.encode(trade, account)]
    (own,) = [outcome for outcome, call in outcomes if call.target == trade.market.address]
    return own


def changes(evm: Evm, account: Address, trade: Trade) -> dict[str, int]:
    """What a trade moved, by symbol; it must succeed and leave no allowance."""
    assets = evm.deployment.assets
    assets = tuple([asset for asset in assets if asset.symbol in ("USDC", "DAI", "WETH", "ETH")])
    evm.give_ether(account, 10**27)  # as much as the machine gives to whom sends a value
    before = evm.balances(account, assets)
    assert carried_out(evm, account, trade).succeeded
    after = evm.balances(account, assets)
    assert allowance_raw(evm, account, trade) == 0
    return {asset.symbol: after[asset] - before[asset] for asset in assets if after[asset] != before[asset]}


def allowance_raw(evm: Evm, account: Address, trade: Trade) -> int:
    given, _ = ends(trade)
    if given.asset.address == NATIVE:
        return 0
    (said,) = evm.ask([erc20.allowance_read(given.asset.address, account, trade.market.address)])
    return int.from_bytes(said, "big")


def whole(asset: Asset, usd: int) -> Amount:
    """So many dollars' worth, at the chain's first prices."""
    price = 3_000 if asset.symbol in ("WETH", "ETH") else 1
    return Amount(asset, usd * 10**asset.decimals // price)


def share(amount: Amount, bps: int) -> Amount:
    return Amount(amount.asset, amount.raw * bps // 10_000)


@pytest.mark.parametrize(
    ("market_id", "given", "got"),
    [
        (IDS[0], "USDC", "WETH"),
        (IDS[0], "WETH", "USDC"),
        (IDS[0], "USDC", "ETH"),
        (IDS[0], "ETH", "USDC"),
        (IDS[1], "DAI", "USDC"),
    ],
)
def test_exactly_what_is_given_leaves_and_at_least_the_least_arrives(evm: Evm, market_id: str, given: str, got: str) -> None:
    lender, asset = evm.actors["lender"], evm.deployment.asset
    least = share(whole(asset(got), 10_000), 9_900)
    for payout in Payout if got != "ETH" else (Payout.STRAIGHT,):
        trade = Swap(evm.market(market_id), whole(asset(given), 10_000), least, FAR, (), payout)
        promised = ADAPTER.apply(state_of(evm, trade.market), Position(trade.market, 0), trade)
        with undone(evm):
            moved = changes(evm, lender, trade)
        assert moved.keys() == {given, got}
        assert moved[given] == promised.moved_raw(asset(given)) == -trade.amount_in.raw
        assert moved[got] >= promised.moved_raw(asset(got)) == least.raw


@pytest.mark.parametrize(("given", "got"), [("USDC", "WETH"), ("WETH", "USDC"), ("USDC", "ETH"), ("ETH", "USDC")])
def test_exactly_the_output_arrives_and_at_most_the_most_leaves(evm: Evm, given: str, got: str) -> None:
    lender, asset = evm.actors["lender"], evm.deployment.asset
    most = share(whole(asset(given), 10_000), 10_100)
    trade = SwapFor(evm.market(IDS[0]), most, whole(asset(got), 10_000), FAR)
    moved = changes(evm, lender, trade)
    assert moved.keys() == {given, got}
    assert moved[got] == trade.amount_out.raw
    assert -most.raw < moved[given] < 0  # less than the most, so there was an allowance to take back, or a coin to give back


@pytest.mark.parametrize(("given", "got"), [("WETH", "DAI"), ("ETH", "DAI"), ("DAI", "WETH"), ("DAI", "ETH")])
def test_a_path_gives_at_one_end_and_gets_at_the_other(evm: Evm, given: str, got: str) -> None:
    lender, asset = evm.actors["lender"], evm.deployment.asset
    pools = [evm.market(market_id) for market_id in (IDS if got == "DAI" else IDS[::-1])]
    least = share(whole(asset(got), 3_000), 9_800)
    trade = Swap(pools[0], whole(asset(given), 3_000), least, FAR, (pools[1],))
    moved = changes(evm, lender, trade)
    assert moved.keys() == {given, got}
    assert moved[given] == -trade.amount_in.raw
    assert moved[got] >= least.raw
    call = next(call for call in ADAPTER.encode(trade, lender) if call.target == trade.market.address)
    assert parse(call, lender, evm.deployment) == trade


@settings(max_examples=60)
@given(
    market_id=st.sampled_from(IDS),
    is_asset_in=st.booleans(),
    usd=st.integers(1, 600_000),
    is_exact_in=st.booleans(),
)
def test_no_pool_pays_more_than_its_price_less_its_fee(
    devnet: Evm, market_id: str, is_asset_in: bool, usd: int, is_exact_in: bool
) -> None:
    market, lender = devnet.market(market_id), devnet.actors["lender"]
    pair = (market.asset, market.others[0]) if is_asset_in else (market.others[0], market.asset)
    most, everything = whole(pair[0], usd), Amount(pair[0], 2**200)
    state = state_of(devnet, market)
    with undone(devnet):
        if is_exact_in:
            trade: Trade = Swap(market, most, Amount(pair[1], 0), FAR)
            moved = changes(devnet, lender, trade)
        else:
            # the machine's approval is without bounds here; what counts is how much the pool asks
            trade = SwapFor(market, everything, Amount(pair[1], whole(pair[1], usd).raw // 2 or 1), FAR)
            moved = changes(devnet, lender, trade)
    paid, got_raw = Amount(pair[0], -moved[pair[0].symbol]), moved[pair[1].symbol]
    assert got_raw <= most_out_raw(state, paid) < mid_raw(state, paid)


def test_refuses_where_the_router_reverts(evm: Evm) -> None:
    market, lender, asset = evm.market(IDS[0]), evm.actors["lender"], evm.deployment.asset
    given, none = whole(asset("USDC"), 1_000), Amount(asset("WETH"), 0)
    state = state_of(evm, market)
    too_much = Amount(asset("WETH"), most_out_raw(state, given) + 1)
    late = evm.timestamp - 1
    for trade, why in (
        (Swap(market, given, too_much, FAR), b"Too little received"),
        (SwapFor(market, given, too_much, FAR), b"STF"),  # it asks for more than it may take
        (Swap(market, given, none, late), b"Transaction too old"),
    ):
        with pytest.raises(ActionRefused):
            ADAPTER.apply(state, Position(market, 0), trade)
        with undone(evm):
            refused = carried_out(evm, lender, trade)
        assert not refused.succeeded
        assert why in refused.output
    with undone(evm):
        assert carried_out(evm, lender, Swap(market, given, none, evm.timestamp)).succeeded


def test_the_deployment_says_what_the_router_and_its_factory_say(evm: Evm) -> None:
    for market_id in IDS:
        state = state_of(evm, evm.market(market_id))
        assert state.sqrt_price_x96 > 0
        assert state.liquidity_raw > 0
    again = deployment_from(evm.content)
    assert [again_market.id for again_market in again.markets if again_market.protocol == "uniswap_router"] == [*IDS]


def spent(devnet: Devnet, account: Address, trade: Trade) -> int:
    """What all calls of a trade burn on the node."""
    gas = 0
    for call in ADAPTER.encode(trade, account):
        sent = {"from": account, "to": call.target, "data": "0x" + call.data.hex(), "value": hex(call.value_wei)}
        gas += send(devnet.node, sent, type(trade).__name__).gas_used
    return gas


def test_stays_within_its_gas_estimates_with_approvals_and_revocations(evm: Evm) -> None:
    asset, pools, usd = evm.deployment.asset, [evm.market(market_id) for market_id in IDS], 10_000
    none = Amount(asset("WETH"), 0)
    trades: tuple[Trade, ...] = (
        Swap(pools[0], whole(asset("USDC"), usd), none, FAR),
        Swap(pools[0], whole(asset("USDC"), usd), none, FAR, (), Payout.SWEPT),
        Swap(pools[0], whole(asset("USDC"), usd), replace(none, asset=asset("ETH")), FAR),
        SwapFor(pools[0], whole(asset("USDC"), usd), whole(asset("WETH"), usd // 2), FAR),
        SwapFor(pools[0], whole(asset("USDC"), usd), whole(asset("ETH"), usd // 2), FAR),
        Swap(pools[1], whole(asset("DAI"), usd), none, FAR, (pools[0],)),
    )
    with_coin = Swap(pools[0], whole(asset("ETH"), usd), Amount(asset("USDC"), 0), FAR)  # it needs no approval
    with Devnet.start() as devnet:
        lender = devnet.actor("lender")
        used = {trade: spent(devnet, lender, trade) for trade in (*trades, with_coin)}
    assert used[with_coin] < min([used[trade] for trade in trades])
    for trade in trades:
        assert 3 * ADAPTER.gas(trade) <= 4 * used[trade] <= 4 * ADAPTER.gas(trade), (trade, used[trade])
