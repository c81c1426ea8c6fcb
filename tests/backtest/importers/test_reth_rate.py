"""The rETH rate: exact division of wei, lines out of order, and the real file against its description."""

import json
from pathlib import Path

import pytest

from backtest.checking.marks import Mark
from backtest.importers.reth_rate import read, recognises
from backtest.index_columns import index_columns
from strategies.errors import BadTape
from strategies.units import RAY, WAD
from tests.backtest.importers.written import DAY, START, counts, imported, said, shared


def write(folder: Path, reports: list[tuple[int, int, int]]) -> Path:
    """Lines of (seconds after the start, total wei, supply)."""
    lines = [[hex(100 + at), "0x0", hex(total), "0x0", hex(supply), hex(START + at)] for at, total, supply in reports]
    (folder / "balances.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


GROWING = [(DAY * day, WAD * 10_000 + WAD * day, WAD * 10_000) for day in range(10)]


def test_the_rate_is_total_over_supply_rounded_down(tmp_path: Path) -> None:
    (vault,) = read(write(tmp_path, [(0, 2 * WAD + 1, 3 * WAD)]))
    assert recognises(tmp_path) and vault.price_ray == ((2 * WAD + 1) * RAY // (3 * WAD),)


def test_a_report_without_a_supply_is_no_rate(tmp_path: Path) -> None:
    (vault,) = read(write(tmp_path, [(0, 0, 0), (DAY, WAD, WAD)]))
    assert vault.price_ray == (RAY,) and counts(vault.findings) == {Mark.NOT_A_NUMBER: 1}


def test_a_line_out_of_order_is_refused_and_the_rate_never_goes_back(tmp_path: Path) -> None:
    write(tmp_path, [*GROWING, (5 * DAY + 60, WAD * 10_005, WAD * 10_000), (10 * DAY, WAD * 10_010, WAD * 10_000)])
    tape, report = imported("reth-rate", tmp_path, "WETH")
    index = index_columns(tape)
    assert len(tape) == 11 and [index.index_ray(row, 0) for row in range(1, 11)] == [
        RAY + RAY * d // 10_000 for d in range(1, 11)
    ]
    assert Mark.DISORDER in {mark for _, mark in said(report)}
    assert tape.supply_apr[9, 0] == pytest.approx(0.0007 / 1.0002 * 365 / 7)


@pytest.mark.parametrize(
    ("text", "why"), [('["0x1","0xzz"]', "no list of hexadecimal"), ('["0x1"]', "has 1 fields"), ("{", "no list")]
)
def test_refuses_a_line_that_is_no_report(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "balances.jsonl").write_text(text)
    with pytest.raises(BadTape, match=why):
        read(tmp_path)


def test_refuses_a_folder_without_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="holds 0 files"):
        read(tmp_path)


def test_the_real_file_shows_what_its_description_lists() -> None:
    folder = shared("reth-rate-history")
    (vault,) = read(folder)
    assert round(vault.price_ray[-1] / RAY, 6) == 1.115283 and vault.price_ray[0] == RAY
    assert counts(vault.findings)[Mark.NOT_A_NUMBER] == 1
    assert counts(vault.findings)[Mark.DISORDER] == 3  # one step back, and the lines until the time it stepped back from
    assert all(later >= before for before, later in zip(vault.price_ray, vault.price_ray[1:], strict=False))
    tape, _ = imported("reth-rate", folder, "WETH", start=1_672_531_200, end=1_704_067_200)
    index = index_columns(tape)
    assert index.index_ray(len(tape) - 1, 0) / index.index_ray(0, 0) - 1 == pytest.approx(0.0392, abs=0.0005)
    assert tape.supply_apr[tape.fresh].max() < 0.2
