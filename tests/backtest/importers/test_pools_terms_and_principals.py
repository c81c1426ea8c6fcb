"""DefiLlama pools, deposit outcomes and Pendle principals: what is refused and why, and the real files against what they list."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from backtest.checking.marks import Mark
from backtest.importers import defillama_pools, pendle_pt, vault_deposits
from backtest.importers.vault_deposits import Standing
from strategies.errors import BadTape
from tests.backtest.importers.written import DAY, START, counts, shared, write_json, write_parquet, write_text

PENDLE = (
    "chain_id,market_address,underlying_symbol,maturity_timestamp,t0_timestamp,implied_apy,pt_price,liquidity_usd,realized_apy"
)


def snapshot(folder: Path, **changes: list[Any]) -> Path:
    columns: dict[str, Any] = {
        "pool": ["a", "b"],
        "protocol_slug": ["curve-dex"] * 2,
        "chain": ["Op_bnb", "Opbnb"],
        "symbol": ["X-Y"] * 2,
        "timestamp": ["2023-01-01T14:07:28.874Z"] * 2,
        "tvl_usd": [1e6, 1e6],
        "apy": [2.5, 3.0],
    }
    return write_parquet(folder / "pools.parquet", columns | changes)


def test_a_pool_s_yield_is_percent_and_a_chain_has_one_name(tmp_path: Path) -> None:
    path = snapshot(tmp_path)
    pools, findings = defillama_pools.snapshot(path)
    assert defillama_pools.is_snapshot(path) and not defillama_pools.is_history(path)
    assert [pool.apy for pool in pools] == [0.025, 0.03] and {pool.chain for pool in pools} == {"opbnb"}
    assert findings == () and not any(pool.refused for pool in pools)


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"apy": [424_845.0, 3.0]}, Mark.SPIKE),
        ({"apy": [None, 3.0]}, Mark.NOT_A_NUMBER),
        ({"tvl_usd": [-1.0, 1.0]}, Mark.NEGATIVE),
        ({"timestamp": ["2022-12-29T00:00:00Z", "2023-01-01T00:00:00Z"]}, Mark.CARRIED),
        ({"outlier": [True, False]}, Mark.SOURCES_APART),
    ],
)
def test_a_pool_that_cannot_be_acted_on_says_why(tmp_path: Path, changes: dict[str, list[Any]], mark: Mark) -> None:
    pools, findings = defillama_pools.snapshot(snapshot(tmp_path, **changes))
    assert counts(findings) == {mark: 1} and len(pools[0].refused) == 1 and not pools[1].refused


def history(folder: Path, pools: list[str], days: list[int], apy: list[float]) -> Path:
    columns = {
        "timestamp": pa.array([START // DAY + day for day in days], pa.int32()).cast(pa.date32()),
        "pool_id_defillama": pools,
        "tvl_usd": [1e6] * len(pools),
        "apy": apy,
    }
    return write_parquet(folder / "history.parquet", columns)


def test_a_pool_day_is_known_when_it_is_over(tmp_path: Path) -> None:
    path = history(tmp_path, ["a", "b", "a"], [0, 0, 1], [10.0, 20.0, 12.0])
    made = defillama_pools.histories(path)
    assert defillama_pools.is_history(path) and sorted(made) == ["a", "b"]
    assert made["a"][0].timestamp.tolist() == [START + DAY, START + 2 * DAY] and made["a"][0].value.tolist() == [0.1, 0.12]
    assert "alive" in made["a"][0].notes[0]


def test_a_pool_day_above_a_thousand_percent_is_refused_and_a_pool_of_nothing_else_is_not_there(tmp_path: Path) -> None:
    made = defillama_pools.histories(history(tmp_path, ["a", "a", "b"], [0, 1, 0], [355_083.0, 12.0, 5_000.0]))
    assert sorted(made) == ["a"] and counts(made["a"][0].findings) == {Mark.UNIT: 1}
    with pytest.raises(BadTape, match="no pool has a day"):
        defillama_pools.histories(history(tmp_path, ["b"], [0], [5_000.0]))


def test_the_real_pools_show_what_their_description_lists() -> None:
    folder = shared("defillama-dex-pools")
    pools, findings = defillama_pools.snapshot(folder / "current_state.parquet")
    assert len(pools) == 1_134 and counts(findings)[Mark.SOURCES_APART] == 263
    for path in folder.glob("raw_pools_*.parquet"):
        assert 245 <= counts(defillama_pools.snapshot(path)[1])[Mark.CARRIED] <= 518
    made = defillama_pools.histories(folder / "historical_facts_2025-10-06.parquet")
    assert 470 <= len(made) <= 479 and sum(len(series.value) >= 300 for series, _ in made.values()) > 50
    assert max(series.value.max() for series, _ in made.values()) <= 10


def outcome(folder: Path, **changes: object) -> vault_deposits.Deposit:
    vault = {
        "address": "0xAB" + "1" * 38,
        "chain_id": 42_161,
        "name": "v",
        "protocol": "p",
        "last_attempt_at": "2023-01-01T00:00:00Z",
        "outcome": "success",
        "message": None,
        "deposit_manager": {"can_deposit": True, "redemption_flow": "synchronous"},
    } | changes
    write_json(folder / "vault-deposit-status.json", {"schema_version": 1, "vaults": {"x": vault}})
    return vault_deposits.read(folder)[0]


def test_a_vault_that_took_and_gave_back_is_open(tmp_path: Path) -> None:
    found = outcome(tmp_path)
    assert found.standing is Standing.OPEN and found.terms == vault_deposits.Terms(0, ())
    assert vault_deposits.recognises(tmp_path) and found.address.startswith("0xab")


def test_a_vault_that_said_no_is_shut_from_then_on(tmp_path: Path) -> None:
    found = outcome(tmp_path, outcome="skipped", message="Vault deposits are currently closed")
    assert found.standing is Standing.SHUT and found.terms.deposit_closed == ((START, None),)
    locked = outcome(tmp_path, outcome="reverted", message="Synchronous redemption failed: 0xc5bb6dae")
    assert locked.terms.redeem_closed == ((START, None),) and not locked.terms.deposit_closed


@pytest.mark.parametrize("failure", ["funding_error", "rpc_error", "adapter_error", "guard_validation_error"])
def test_a_failure_of_the_collector_says_nothing_of_the_vault(tmp_path: Path, failure: str) -> None:
    found = outcome(tmp_path, outcome=failure)
    assert found.standing is Standing.UNKNOWN and not found.terms.deposit_closed


def test_an_asynchronous_redemption_has_a_delay_that_nobody_recorded(tmp_path: Path) -> None:
    found = outcome(tmp_path, deposit_manager={"can_deposit": True, "redemption_flow": "asynchronous"})
    assert found.terms.redeem_delay_seconds is None
    assert outcome(tmp_path, deposit_manager=None).terms.redeem_delay_seconds is None


def test_refuses_other_json_as_outcomes(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="holds no JSON file of deposit outcomes"):
        vault_deposits.read(tmp_path)
    write_json(tmp_path / "deposits.json", {"vaults": {"x": {}}})
    with pytest.raises(BadTape, match="is no file of deposit outcomes"):
        vault_deposits.read(tmp_path)


def test_the_real_outcomes_show_what_their_description_lists() -> None:
    found = vault_deposits.read(shared("vault-share-prices"))
    named = {
        name: sum(deposit.outcome == name for deposit in found) for name in ("success", "reverted", "funding_error", "skipped")
    }
    assert len(found) == 260 and named == {"success": 55, "reverted": 60, "funding_error": 90, "skipped": 19}
    assert sum(deposit.standing is Standing.OPEN for deposit in found) == 55


def principal(folder: Path, *, days: float = 60, apy: float = 0.08, price: float | None = None, scale: int = 1_000) -> Path:
    said = (1 + apy) ** (-days / 365) if price is None else price
    row = [1, "0xAA", "sUSDe", (START + int(days * DAY)) * scale, START * scale, apy, said, 0, 0.5]
    write_text(folder / "chain1.csv.gz", PENDLE, [row])
    return folder


def test_a_principal_is_read_in_milliseconds_and_its_realised_apy_never(tmp_path: Path) -> None:
    (found,), findings = pendle_pt.read(principal(tmp_path))
    assert (found.timestamp, found.maturity, found.implied_apy) == (START, START + 60 * DAY, 0.08) and np.isnan(
        found.liquidity_usd
    )
    assert counts(findings) == {Mark.ZERO_FOR_MISSING: 1} and pendle_pt.recognises(tmp_path)


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"price": 0.9}, Mark.INDEX_APART),
        ({"days": 0.0}, Mark.EXPIRED),
        ({"apy": 80.0}, Mark.UNIT),
        ({"apy": float("nan")}, Mark.NOT_A_NUMBER),
    ],
)
def test_a_principal_that_cannot_be_is_refused_by_name(tmp_path: Path, changes: dict[str, float], mark: Mark) -> None:
    kept, findings = pendle_pt.read(principal(tmp_path, **changes))  # type: ignore[arg-type]
    assert not kept and counts(findings)[mark] == 1


def test_refuses_seconds_where_milliseconds_belong(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="read as milliseconds"):
        pendle_pt.read(principal(tmp_path, scale=1))


def test_a_snapshot_is_percent_and_leaves_matured_markets_out(tmp_path: Path) -> None:
    market = {"chain": "ETH", "protocol": "p", "underlying": "u", "tvl": 1.0, "underlyingApy": 3.0, "impliedApy": 5.4}
    markets = [market | {"expiry": "2026-05-28T00:00:00.000Z"}, market | {"expiry": "2025-12-18T00:00:00.000Z", "impliedApy": 0}]
    path = write_json(tmp_path / "pendle-2026-04-16.json", markets)
    (offer,), findings = pendle_pt.snapshot(path)
    assert offer.implied_apy == pytest.approx(0.054) and counts(findings) == {Mark.EXPIRED: 1}
    with pytest.raises(BadTape, match="does not say its date"):
        pendle_pt.snapshot(write_json(tmp_path / "pendle.json", markets))


def test_the_real_principals_show_what_their_description_lists() -> None:
    folder = shared("pendle-pt-implied")
    kept, findings = pendle_pt.read(folder)
    assert len(kept) == 2_074 and set(counts(findings)) <= {Mark.ZERO_FOR_MISSING}
    assert max(p.implied_apy for p in kept) == pytest.approx(1.96, abs=0.01)
    offers, matured = pendle_pt.snapshot(next(folder.glob("pendle-yields-*")))
    assert len(offers) == 46 and counts(matured) == {Mark.EXPIRED: 225}
