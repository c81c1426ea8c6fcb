"""The file of results: what was kept is taken up, what was cut off is done again, and another sweep is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from backtest.sweep.outcome import Outcome
from backtest.sweep.results import BadResults, Results
from backtest.sweep.space import ParameterSet

SETS: tuple[ParameterSet, ...] = tuple((("count", at),) for at in range(5))
HEADER = {"tape": "ab", "code": {"sources": "1"}}


def outcome(at: int) -> Outcome:
    excess = np.array([0.1 / (at + 1), -0.0, np.nan, 1e-300])
    return Outcome(
        at=at,
        parameters=SETS[at],
        final_raw=2**70 + at,
        gas_wei=10**18 + at,
        net=1e6 / 3,
        apy=0.1,
        drawdown=-1 / 3,
        moves=at,
        excess_daily=excess,
    )


def same(one: Outcome, other: Outcome) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("at", "parameters", "final_raw", "gas_wei", "net", "apy", "drawdown", "moves")
    ) and bool(np.array_equal(one.excess_daily, other.excess_daily, equal_nan=True))


def test_what_was_kept_is_there_again_to_the_last_bit_in_the_order_of_the_sets(tmp_path: Path) -> None:
    path = tmp_path / "a" / "results.jsonl"
    with Results(path, HEADER, SETS) as results:
        results.keep([outcome(3), outcome(1)])
    with Results(path, HEADER, SETS) as again:
        assert [found.at for found in again.in_order] == [1, 3]
        assert all(same(found, outcome(found.at)) for found in again.in_order)
        assert [at for at, _ in again.left] == [0, 2, 4]
        assert again.count == 5


@pytest.mark.parametrize("cut", [1, 40])
def test_a_line_that_was_cut_off_is_dropped_and_its_set_is_left(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "results.jsonl"
    with Results(path, HEADER, SETS) as results:
        results.keep([outcome(0), outcome(1)])
    path.write_bytes(path.read_bytes()[:-cut])
    with Results(path, HEADER, SETS) as again:
        assert [at for at, _ in again.left] == [1, 2, 3, 4]
        again.keep([outcome(1)])
    with Results(path, HEADER, SETS) as whole:
        assert sorted(whole.outcomes) == [0, 1]


@pytest.mark.parametrize(
    ("header", "named"),
    [({"tape": "cd", "code": {"sources": "1"}}, "tape was"), ({"tape": "ab", "code": {"sources": "2"}}, "code.sources was")],
)
def test_another_sweep_is_refused_and_the_difference_named(tmp_path: Path, header: dict[str, object], named: str) -> None:
    path = tmp_path / "results.jsonl"
    with Results(path, HEADER, SETS):
        pass
    with pytest.raises(BadResults, match=named), Results(path, header, SETS):
        pass


def test_a_file_that_is_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"a": 1}\n')
    with pytest.raises(BadResults, match="not a sweep's results"), Results(path, HEADER, SETS):
        pass
    assert path.read_text() == '{"a": 1}\n'


@pytest.mark.parametrize("line", ['{"at": 9}', "{", '{"at": 9, "set": {}}'])
def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    with Results(path, HEADER, SETS) as results:
        results.keep([outcome(0)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(BadResults, match="line 3"), Results(path, HEADER, SETS):
        pass


def test_a_line_of_another_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with Results(path, HEADER, SETS) as results:
        results.keep([outcome(0)])
    head, line = path.read_text().splitlines()
    path.write_text(head + "\n" + json.dumps({**json.loads(line), "set": {"count": 7}}) + "\n")
    with pytest.raises(BadResults, match="another set"), Results(path, HEADER, SETS):
        pass


def test_two_sweeps_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    refused = pytest.raises(BadResults, match="another sweep is writing")
    with Results(path, HEADER, SETS), refused, Results(path, HEADER, SETS):
        pass
    with Results(path, HEADER, SETS):
        pass
