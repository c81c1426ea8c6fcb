"""What exists on one chain, and where it stands."""

import pytest

from strategies.domain import NATIVE, Asset, Deployment, Market
from strategies.errors import UnknownMarket

USD, OTHER, COIN = (
    Asset(31_337, address, symbol, 18)
    for address, symbol in (("0x" + "5d" * 20, "USD"), ("0x" + "6d" * 20, "EUR"), (NATIVE, "ETH"))
)
POOL = "0x" + "0a" * 20
MARKETS = (
    Market("one", "recorded_index", "0x" + "01" * 20, USD, (("pool", POOL),)),
    Market("two", "recorded_index", "0x" + "02" * 20, OTHER, (("pool", POOL), ("token", "0x" + "02" * 20))),
    Market("three", "recorded_index", "0x" + "03" * 20, USD),
)
CHAIN = Deployment(31_337, "test", NATIVE, (USD, OTHER, COIN), MARKETS, {})


def test_a_market_stands_where_the_deployment_names_it() -> None:
    assert [CHAIN.place(market) for market in MARKETS] == [0, 1, 2]
    assert CHAIN.places_of == {USD.address: (0, 2), OTHER.address: (1,)}
    with pytest.raises(UnknownMarket):
        CHAIN.place(Market("four", "recorded_index", "0x" + "04" * 20, USD))


def test_an_address_leads_to_each_market_that_has_a_contract_there_once() -> None:
    assert CHAIN.markets_at[POOL] == MARKETS[:2]
    assert CHAIN.markets_at["0x" + "02" * 20] == (MARKETS[1],)
    assert "0x" + "99" * 20 not in CHAIN.markets_at


def test_the_chains_own_coin_is_named_or_is_none() -> None:
    assert CHAIN.native == COIN
    assert Deployment(31_337, "test", NATIVE, (USD,), (), {}).native is None


@pytest.mark.parametrize(
    "other",
    [
        Asset(1, USD.address, "USD", 18),
        Asset(31_337, POOL, "USD", 18),
        Asset(31_337, USD.address, "X", 18),
        Asset(31_337, USD.address, "USD", 6),
        "USD",
    ],
)
def test_an_asset_equals_only_one_that_is_the_same_in_everything(other: object) -> None:
    same = Asset(31_337, "0x" + "5d" * 20, "USD", 18)
    assert same == USD and hash(USD) == hash(same)
    assert other != USD
