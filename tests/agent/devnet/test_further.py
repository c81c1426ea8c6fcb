"""What stands on the chain besides the demo's markets: its form, its versions, and that it earns."""

import re
from pathlib import Path
from typing import Any

import pytest

from agent.devnet import __main__ as setting_up
from agent.devnet import chain
from agent.devnet.artefacts import Artefacts
from agent.devnet.chain import Devnet, chain_key, without_history
from agent.devnet.contracts import read, read_address, read_integer
from agent.devnet.errors import ArtefactsMissing
from agent.devnet.yard import code_hash

pytestmark = pytest.mark.chain

CURVE = "((uint16,uint32,uint32,uint32))"
GETTERS = ("OPTIMAL_USAGE_RATIO()", "getBaseVariableBorrowRate()", "getVariableRateSlope1()", "getVariableRateSlope2()")
EMPTY = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def market(devnet: Devnet, market_id: str) -> dict[str, Any]:
    return next(dict(entry) for entry in devnet.everything["markets"] if entry["id"] == market_id)


def test_everything_is_the_deployment_and_what_stands_besides(devnet: Devnet) -> None:
    everything, first, further = devnet.everything, devnet.deployment, devnet.deployment["further"]
    assert set(everything) == set(first) - {"further"}
    for name in ("assets", "markets"):
        assert everything[name] == [*first[name], *further[name]]
        assert further[name] is not everything[name]
    for name in ("code", "proxies"):
        assert everything[name] == first[name] | further[name]
    assert set(further) == {"assets", "markets", "code", "proxies"}


def test_no_market_and_no_asset_is_named_twice(devnet: Devnet) -> None:
    for kind, name in (("markets", "id"), ("assets", "symbol"), ("assets", "address")):
        names = [entry[name] for entry in devnet.everything[kind]]
        assert len(set(names)) == len(names)


def test_every_further_contract_has_the_code_hash_that_is_written_down(devnet: Devnet) -> None:
    written = devnet.everything["code"]
    for entry in devnet.deployment["further"]["markets"]:
        for address in (entry["address"], *entry["contracts"].values()):
            assert re.fullmatch("0x[0-9a-f]{40}", address)
            assert code_hash(devnet.node, address) == written[address] != EMPTY


def test_a_vault_stands_after_the_markets_it_wraps(devnet: Devnet) -> None:
    seen: set[str] = set()
    for entry in devnet.everything["markets"]:
        assert set(entry.get("wraps", ())) <= seen
        seen.add(entry["id"])


def test_the_new_pool_is_revision_ten_with_the_curves_of_the_core_market(devnet: Devnet) -> None:
    for symbol in ("USDC", "DAI", "WETH"):
        old, new = market(devnet, f"aave-core:{symbol}"), market(devnet, f"aave-new:{symbol}")
        assert read_integer(devnet.node, new["address"], "POOL_REVISION()") == 10
        strategy = new["contracts"]["strategy"]
        (curve_bps,) = read(devnet.node, strategy, "getInterestRateDataBps(address)", CURVE, new["asset"])
        curve_ray = [read_integer(devnet.node, old["contracts"]["strategy"], getter) for getter in GETTERS]
        assert [bps * 10**23 for bps in curve_bps] == curve_ray
        assert "stable_debt" not in new["contracts"]


def test_a_month_of_interest_has_grown_in_the_new_pool_and_its_wrappers(devnet: Devnet) -> None:
    for symbol in ("USDC", "WETH"):
        vault, wrapped = market(devnet, f"stata:{symbol}"), market(devnet, f"aave-new:{symbol}")
        assert vault["wraps"] == [wrapped["id"]]
        assert read_address(devnet.node, vault["address"], "asset()") == vault["asset"] == wrapped["asset"]
        assert read_address(devnet.node, vault["address"], "aToken()") == wrapped["contracts"]["receipt"]
        income_ray = read_integer(devnet.node, wrapped["address"], "getReserveNormalizedIncome(address)", wrapped["asset"])
        worth_raw = read_integer(devnet.node, vault["address"], "convertToAssets(uint256)", 10**15)
        assert worth_raw == 10**15 * income_ray // 10**27 > 10**15


def test_setting_up_says_where_the_chain_is(capsys: pytest.CaptureFixture[str]) -> None:
    setting_up.main()
    assert chain_key() in capsys.readouterr().out


def test_setting_up_ends_with_what_is_missing_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> Artefacts:
        raise ArtefactsMissing("no npm was found", remedy="install it")

    monkeypatch.setattr(setting_up, "ensure", missing)
    with pytest.raises(SystemExit, match="no npm was found; install it"):
        setting_up.main()


def test_a_changed_file_of_any_kind_is_another_chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(chain, "HERE", tmp_path)
    (tmp_path / "solidity").mkdir()
    keys = {chain_key()}
    for name in ("deploy.py", "compile.js", "solidity/Vault.sol"):
        (tmp_path / name).write_text("one")
        keys.add(chain_key())
        (tmp_path / name).write_text("two")
        keys.add(chain_key())
    assert len(keys) == 7


def test_a_stored_chain_keeps_its_headers_and_the_last_transaction_only() -> None:
    blocks = [{"header": {"number": hex(number)}, "transactions": [number]} for number in (9, 10, 8)]
    transactions = [{"block_number": number} for number in (8, 9, 10)]
    kept = without_history({"accounts": {}, "blocks": blocks, "transactions": transactions})
    assert [(int(block["header"]["number"], 16), block["transactions"]) for block in kept["blocks"]] == [
        (8, []),
        (9, []),
        (10, [10]),
    ]
    assert kept["transactions"] == [{"block_number": 10}]
    assert kept["accounts"] == {}
