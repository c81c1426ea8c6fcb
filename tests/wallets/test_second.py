"""Two endpoints: what they agree on is signed, and what one of them says alone is not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from strategies.domain import Plan, Revoke
from strategies.units import USD_E8
from tests.wallets.chain import Chain
from tests.wallets.live_parts import ACCOUNT, Bench, bench, supply_plan, yes
from tests.wallets.loopback import Loopback, Respond, forward, questions, rewriting
from wallets.endpoints import AGGREGATE3, Endpoint
from wallets.live import LiveWallet
from wallets.wallet import Approved, Refused, Verdict

pytestmark = pytest.mark.chain


@pytest.fixture(autouse=True)
def funded(chain: Chain) -> None:
    chain.fund(ACCOUNT)


def beside(at: Bench, url: str) -> LiveWallet:
    """The same wallet with a second endpoint."""
    return LiveWallet(replace(at.parts, second=Endpoint(url, timeout_seconds=2)))


def rules(verdict: Verdict) -> set[str]:
    assert isinstance(verdict, Refused), verdict
    return {reason.rule for reason in verdict.reasons}


def test_two_honest_endpoints_agree_and_the_plan_is_mined(chain: Chain, tmp_path: Path) -> None:
    with bench(chain, tmp_path) as at:
        wallet = beside(at, chain.url)
        approved = wallet.judge(supply_plan(chain), "one")
        assert isinstance(approved, Approved), approved
        assert wallet.execute(approved, yes(approved)).complete


def test_another_chain_at_the_second_endpoint_stops_everything(chain: Chain, tmp_path: Path) -> None:
    with Loopback(rewriting(chain.url, "eth_chainId", lambda _: "0x1")) as liar, bench(chain, tmp_path) as at:
        assert rules(beside(at, liar.url).judge(supply_plan(chain), "one")) == {"chain"}


def _forked(said: Any) -> Any:
    return {**said, "hash": "0x" + "0f" * 32} if isinstance(said, dict) else said


def test_another_block_at_the_second_endpoint_stops_everything(chain: Chain, tmp_path: Path) -> None:
    with Loopback(rewriting(chain.url, "eth_getBlockByNumber", _forked)) as liar, bench(chain, tmp_path) as at:
        assert "simulation" in rules(beside(at, liar.url).judge(supply_plan(chain), "one"))


@pytest.mark.parametrize("blocks", [-5, 5])
def test_an_endpoint_that_lags_is_found_by_the_other(chain: Chain, tmp_path: Path, blocks: int) -> None:
    def moved(said: Any) -> Any:
        return {**said, "number": hex(int(said["number"], 16) + blocks)} if isinstance(said, dict) else said

    with Loopback(rewriting(chain.url, "eth_getBlockByNumber", moved)) as liar, bench(chain, tmp_path) as at:
        assert "age" in rules(beside(at, liar.url).judge(supply_plan(chain), "one"))


def test_a_simulation_that_only_one_endpoint_sees_is_not_believed(chain: Chain, tmp_path: Path) -> None:
    def reverted(said: Any) -> Any:
        said[0]["calls"][1] |= {"status": "0x0", "returnData": "0x"}
        return said

    with Loopback(rewriting(chain.url, "eth_simulateV1", reverted)) as liar, bench(chain, tmp_path) as at:
        assert rules(beside(at, liar.url).judge(supply_plan(chain), "one")) == {"simulation"}


PRICES = {bytes.fromhex("b3596f07"): 0, bytes.fromhex("feaf968c"): 1}  # getAssetPrice, latestRoundData: which word is the price


def cheapening(url: str) -> Respond:
    """A node by whose word everything costs a ten-thousandth, at every oracle and every feed."""

    def respond(body: bytes) -> tuple[int, bytes]:
        said = json.loads(forward(url, body))
        asked = {question["id"]: question["params"] for question in questions(body) if question["method"] == "eth_call"}
        for answer in said if isinstance(said, list) else [said]:
            data = asked[answer["id"]][0]["data"] if answer["id"] in asked else ""
            if data.startswith("0x" + AGGREGATE3.hex()):
                answer["result"] = _cheaper(bytes.fromhex(data[10:]), bytes.fromhex(answer["result"][2:]))
        return 200, json.dumps(said).encode()

    return respond


def _cheaper(asked: bytes, said: bytes) -> str:
    (calls,), (results,) = decode(["(address,bool,bytes)[]"], asked), decode(["(bool,bytes)[]"], said)
    told = []
    for (_, _, data), (succeeded, answer) in zip(calls, results, strict=True):
        words = [answer[at : at + 32] for at in range(0, len(answer), 32)]
        if (place := PRICES.get(data[:4])) is not None and answer:
            words[place] = (int.from_bytes(words[place], "big") // 10_000).to_bytes(32, "big")
        told.append((succeeded, b"".join(words)))
    return "0x" + bytes(encode(["(bool,bytes)[]"], [told])).hex()


def test_a_node_that_makes_everything_cheap_passes_no_limit_in_dollars(chain: Chain, tmp_path: Path) -> None:
    limits = {"max_transaction_usd": 10_000, "max_day_usd": 10_000, "max_market_usd": 10_000}
    with Loopback(cheapening(chain.url)) as liar, bench(chain, tmp_path, url=liar.url, **limits) as at:
        assert at.approved(supply_plan(chain, 90_000), "believed").spend_usd_e8 == 9 * USD_E8
        refused = beside(at, chain.url).judge(supply_plan(chain, 90_000), "checked")
        assert isinstance(refused, Refused)
        (reason,) = refused.reasons
        assert reason.rule == "simulation" and "the prices" in reason.text


@pytest.mark.parametrize("status", ["0x1", "0x0"])
def test_a_node_that_hides_what_moved_takes_nothing_off_the_days_limits(chain: Chain, tmp_path: Path, status: str) -> None:
    def lied(said: Any) -> Any:
        return {**said, "logs": [], "status": status} if isinstance(said, dict) and len(said["logs"]) > 1 else said

    with Loopback(rewriting(chain.url, "eth_getTransactionReceipt", lied)) as liar, bench(chain, tmp_path, url=liar.url) as at:
        wallet = beside(at, chain.url)
        approved = wallet.judge(supply_plan(chain), "one")
        assert isinstance(approved, Approved), approved
        assert wallet.execute(approved, yes(approved)).transfers == ()
        now = at.parts.endpoint.now()
        assert at.parts.store.moves(now)
        assert at.parts.store.spent(now).usd_e8 == 1_000 * USD_E8


def test_a_plan_that_moved_nothing_by_both_their_words_is_not_counted(chain: Chain, tmp_path: Path) -> None:
    def failing(said: Any) -> Any:
        return {**said, "logs": [], "status": "0x0"} if isinstance(said, dict) else said

    with Loopback(rewriting(chain.url, "eth_getTransactionReceipt", failing)) as node, bench(chain, tmp_path, url=node.url) as at:
        wallet = beside(at, node.url)
        approved = wallet.judge(supply_plan(chain), "one")
        assert isinstance(approved, Approved), approved
        assert not wallet.execute(approved, yes(approved)).complete
        assert at.parts.store.spent(at.parts.endpoint.now()).usd_e8 == 0


def test_a_second_endpoint_that_does_not_answer_objects_but_never_to_a_revocation(chain: Chain, tmp_path: Path) -> None:
    market = chain.market("aave-core:USDC")
    revoke = Plan((Revoke(market.asset, market.address),), chain.devnet.node.latest()[0], "tidy")
    with bench(chain, tmp_path) as at:
        wallet = beside(at, "http://127.0.0.1:9")
        assert rules(wallet.judge(supply_plan(chain), "one")) == {"simulation"}
        assert isinstance(wallet.judge(revoke, "two"), Approved)
