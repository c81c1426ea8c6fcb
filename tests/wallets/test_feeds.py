"""What a price is worth when a feed says it: each way in which a feed's answer is none, alone and on the chain."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.devnet import feed as feeds_on_chain
from strategies.domain import Borrow, Deployment, Quote, Supply
from strategies.tape import Reading
from strategies.units import USD_E8
from tests.wallets.cases import AAVE_USDC, LENDING, WETH, case, lending_reading, usdc
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, bench, supply_plan
from tests.worlds import USDC
from wallets import feeds
from wallets import reading as blocks
from wallets.case import price_usd_e8, unpriced
from wallets.checks import priced
from wallets.wallet import Approved, Refused

pytestmark = pytest.mark.chain
FEED: Final = "0x" + "fe" * 20
NOW: Final = 1_700_000_000


def answered(
    *, round_id: int = 7, answer: int = USD_E8, updated: int = NOW - 60, answered_in: int = 7, decimals: int = 8
) -> list[bytes | None]:
    words = (round_id, answer % 2**256, updated, updated, answered_in)
    return [b"".join(word.to_bytes(32, "big") for word in words), decimals.to_bytes(32, "big")]


def test_a_sound_answer_is_a_quote_as_old_as_the_feed_says() -> None:
    assert feeds.quote_of(USDC, FEED, answered(), NOW) == Quote(USDC, USD_E8, f"feed {FEED}", NOW - 60)
    assert feeds.quote_of(USDC, FEED, answered(updated=NOW, answer=2**63 - 1), NOW) == Quote(USDC, 2**63 - 1, f"feed {FEED}", NOW)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (answered(answer=0), "a price that is none"),
        (answered(answer=-1), "a price that is none"),
        (answered(answer=2**63), "a price that is none"),
        (answered(updated=0), "has not answered its round 7"),
        (answered(answered_in=6), "has not answered its round 7"),
        (answered(updated=NOW + 1), "1 s after the block"),
        (answered(decimals=18), "has 18 decimals; dollars have 8"),
        ([None, answered()[1]], "gives no answer"),
        ([answered()[0], None], "gives no answer"),
        ([b"", b""], "gives no answer"),
    ],
)
def test_an_answer_that_is_none_is_refused_by_name(said: list[bytes | None], why: str) -> None:
    refused = feeds.quote_of(USDC, FEED, said, NOW)
    assert isinstance(refused, str) and why in refused and FEED in refused


@given(st.lists(st.integers(0, 2**256 - 1), min_size=5, max_size=5), st.integers(0, 2**256 - 1))
def test_whatever_a_feed_says_a_quote_is_positive_and_not_of_the_future(words: list[int], decimals: int) -> None:
    said: list[bytes | None] = [b"".join(word.to_bytes(32, "big") for word in words), decimals.to_bytes(32, "big")]
    quote = feeds.quote_of(USDC, FEED, said, NOW)
    assert isinstance(quote, str) or (quote.usd_e8 > 0 and 0 < quote.timestamp <= NOW and decimals == 8)


def fed(age_seconds: int = 0, *, usd: int = 1) -> tuple[Deployment, Reading]:
    """The lending world with a feed of USDC, and what it says."""
    seen = lending_reading()
    quotes = tuple(quote for quote in seen.quotes if quote.asset != USDC)
    said = Quote(USDC, usd * USD_E8, f"feed {FEED}", seen.timestamp - age_seconds)
    return replace(LENDING, feeds={USDC.address: FEED}), replace(seen, quotes=(*quotes, said))


def test_where_there_is_a_feed_it_alone_says_the_price() -> None:
    deployment, seen = fed(usd=2)
    made = case((Supply(AAVE_USDC, usdc(1)),), deployment=deployment, seen=seen)
    assert price_usd_e8(made, USDC) == 2 * USD_E8
    assert price_usd_e8(replace(made, deployment=LENDING), USDC) == 2 * USD_E8  # the highest of all that speak
    assert price_usd_e8(replace(made, deployment=replace(LENDING, feeds={WETH.address: FEED})), WETH) == 3_000 * USD_E8


def test_a_stale_feed_prices_nothing_though_a_market_still_names_a_price() -> None:
    for age_seconds, refused in ((3_600, False), (3_601, True)):
        deployment, seen = fed(age_seconds)
        made = case((Supply(AAVE_USDC, usdc(1)),), deployment=deployment, seen=seen)
        assert (price_usd_e8(made, USDC) is None) is refused
        assert len(priced(made)) == refused
    (reason,) = priced(made)
    assert reason.rule == "price" and "3601 s old; at most 3600 s (max_price_age_seconds)" in reason.text and FEED in reason.text


def test_what_has_no_price_says_why_and_what_would_change_it() -> None:
    deployment, seen = fed()
    silent = replace(seen, quotes=(), refused=(("USDC", f"feed {FEED} gives no answer"),))
    made = case((Borrow(AAVE_USDC, usdc(1)),), deployment=deployment, seen=silent)
    assert [reason.text for reason in priced(made)] == [
        f"USDC has no price: feed {FEED} gives no answer; it has one again when its witnesses answer and agree"
    ]
    assert "no feed and no market" in unpriced(replace(made, reading=replace(silent, refused=())), USDC)


def said(chain: Chain, symbol: str) -> Quote | str:
    """A price as the reader of blocks sees it, or why there is none."""
    seen, _ = blocks.read(chain.endpoint(), chain.deployment, ACCOUNT)
    refused = dict(seen.refused)
    return refused[symbol] if symbol in refused else next(quote for quote in seen.quotes if quote.asset.symbol == symbol)


def of_chain(chain: Chain, symbol: str) -> str:
    return chain.deployment.feeds[chain.devnet.token(symbol)]


def test_a_block_is_read_with_the_feeds_own_times(chain: Chain) -> None:
    node, usdc_feed = chain.devnet.node, of_chain(chain, "USDC")
    updated = node.latest()[1] - 100
    feeds_on_chain.freeze(node, usdc_feed, updated)
    assert said(chain, "USDC") == Quote(chain.deployment.asset("USDC"), USD_E8, f"feed {usdc_feed}", updated)
    ether = said(chain, "ETH")
    assert isinstance(ether, Quote) and ether.source == f"feed {of_chain(chain, 'WETH')}"


def test_a_frozen_feed_stops_new_exposure_until_it_answers_again(chain: Chain, tmp_path: Path) -> None:
    chain.fund(ACCOUNT)
    node, usdc_feed = chain.devnet.node, of_chain(chain, "USDC")
    with bench(chain, tmp_path, max_price_age_seconds=3_600) as at:
        feeds_on_chain.freeze(node, usdc_feed, node.latest()[1] - 3_700)
        refused = at.wallet.judge(supply_plan(chain), "stale")
        assert isinstance(refused, Refused)
        assert any(reason.rule == "price" and "s old; at most 3600 s" in reason.text for reason in refused.reasons)
        feeds_on_chain.freeze(node, usdc_feed, node.latest()[1])
        assert isinstance(at.wallet.judge(supply_plan(chain), "fresh"), Approved)


def test_a_feed_that_does_not_answer_is_refused_by_name(chain: Chain) -> None:
    node, usdc_feed = chain.devnet.node, of_chain(chain, "USDC")
    node.rpc("anvil_setCode", usdc_feed, "0x60006000fd")
    assert said(chain, "USDC") == f"feed {usdc_feed} gives no answer"


def test_oracles_that_leave_the_feed_take_its_price_away(chain: Chain) -> None:
    node, prime = chain.devnet.node, chain.devnet.deployment["admin"]["prime"]["feeds"]["USDC"]
    feeds_on_chain.answer(node, prime, USD_E8 * 101 // 100)
    assert isinstance(said(chain, "USDC"), Quote)
    feeds_on_chain.answer(node, prime, USD_E8 * 102 // 100)
    why = said(chain, "USDC")
    assert isinstance(why, str) and "oracle of aave-prime:USDC says 102000000" in why and "more than 100 bps apart" in why
    assert f"feed {of_chain(chain, 'USDC')} says {USD_E8}" in why
