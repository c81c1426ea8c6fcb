"""DefiLlama's histories as `data fetch llama` keeps them, as lending markets of a tape."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.cli.fetch import fetch_llama
from agent.fetch.llama import Wanted
from backtest.importers import defillama_chart
from backtest.importers.catalogue import format_of
from backtest.importers.lending import Request
from strategies.errors import BadTape
from tests.agent.fetch.sources import DAY, FIRST, Llama, chart, pool, pool_id, stamp, success
from tests.agent.loopback import serving


def fetched(folder: Path, **instead: object) -> Path:
    """What the fetcher itself writes."""
    source = Llama(pools=2, instead={path: success(data) for path, data in instead.items()})
    with serving(source) as server:
        fetch_llama(folder, Wanted(symbols=("USDC",)), base=server.url, timeout_seconds=5, as_json=True)
    return folder


def kept(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """A folder as the fetcher would leave it, with these rows of one pool."""
    files = {"pools.json": success([pool(0)]).body, f"chart-{pool_id(0)}.json": success(rows).body}
    lines = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        lines.append(json.dumps({"file": name, "sha256": hashlib.sha256(content).hexdigest()}) + "\n")
    (folder / "MANIFEST.jsonl").write_text("".join(lines))
    return folder


def test_what_was_fetched_becomes_a_tape(tmp_path: Path) -> None:
    chosen = format_of(fetched(tmp_path))
    assert chosen.name == "defillama-chart"
    assert chosen.assets(tmp_path) == ("USDC",)
    tape, report = chosen.import_tape(tmp_path, Request("USDC", 0, 2**40))
    ids = [f"aave-v3-ethereum:USDC:{pool_id(number)[:8]}" for number in range(2)]
    assert [market.id for market in tape.deployment.markets] == ids
    assert tape.timestamp.tolist() == [FIRST + day * DAY + 84_000 for day in range(30)]
    assert np.allclose((1 + tape.supply_apr[:, 0] / 365) ** 365 - 1, [0.03 + day / 10_000 for day in range(30)])
    assert tape.fresh.all()
    assert tape.available[0].tolist() == [1_000_000, 1_000_001]
    assert any("Rewards are left out" in note for note in report.notes)


def test_a_day_labelled_by_its_midnight_is_known_when_it_is_over(tmp_path: Path) -> None:
    rows = [row | {"timestamp": stamp(FIRST + day * DAY)} for day, row in enumerate(chart(0, days=3))]
    (found,) = defillama_chart.read(kept(tmp_path, rows))
    assert found.record.timestamp.tolist() == [FIRST + day * DAY for day in (1, 2, 3)]


@pytest.mark.parametrize(
    ("said", "apy"),
    [
        ({"apyBase": 2.0, "apyReward": 5.0, "apy": 7.0}, 0.02),
        ({"apyBase": None, "apyReward": None, "apy": 4.0}, 0.04),
        ({"apyBase": None, "apyReward": 0, "apy": 4.0}, 0.04),
        ({"apyBase": None, "apyReward": 5.0, "apy": 7.0}, None),
        ({"apyBase": None, "apyReward": None, "apy": None}, None),
        ({"apyBase": -100.0}, None),
    ],
)
def test_only_the_base_yield_counts(tmp_path: Path, said: dict[str, object], apy: float | None) -> None:
    rows = chart(0, days=3)
    rows[1] |= said
    (found,) = defillama_chart.read(kept(tmp_path, rows))
    rate = found.record.supply_apr[1]
    assert np.isnan(rate) if apy is None else np.isclose((1 + rate / 365) ** 365 - 1, apy)


def test_a_file_that_is_not_what_was_fetched_is_refused(tmp_path: Path) -> None:
    path = fetched(tmp_path) / f"chart-{pool_id(1)}.json"
    path.write_bytes(path.read_bytes().replace(b"3.1", b"4.1"))
    with pytest.raises(BadTape, match=r"is not what was fetched"):
        defillama_chart.read(tmp_path)


def test_a_pool_that_the_list_does_not_name_is_refused(tmp_path: Path) -> None:
    manifest = fetched(tmp_path) / "MANIFEST.jsonl"
    lines = manifest.read_text().splitlines()
    other = json.loads(lines[-1]) | {"file": f"chart-{pool_id(7)}.json"}
    manifest.write_text("".join(f"{line}\n" for line in (*lines, json.dumps(other))))
    with pytest.raises(BadTape, match=f"names no pool of chart-{pool_id(7)}"):
        defillama_chart.read(tmp_path)


@pytest.mark.parametrize("rows", [[], [{"apy": 1}], [{"timestamp": "soon"}], [7], chart(0, days=2, apy="3")], ids=str)
def test_rows_that_are_none_are_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    if rows and isinstance(rows[-1], dict) and "apyBase" in rows[-1]:
        rows[-1]["apyBase"] = None
    with pytest.raises(BadTape, match=f"chart-{pool_id(0)}"):
        defillama_chart.read(kept(tmp_path, rows))


def test_another_folder_is_not_taken_for_one(tmp_path: Path) -> None:
    assert not defillama_chart.recognises(tmp_path)
    assert defillama_chart.recognises(kept(tmp_path, chart(0)))
