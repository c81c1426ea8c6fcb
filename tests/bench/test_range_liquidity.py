"""The month beside demeter: what the line says, with the peer and without it."""

from pathlib import Path

import pytest

from tests.bench import range_liquidity
from tests.bench.range_liquidity import MOST_APART, PEERS, RECIPES, drifted, line, peer_python

KEYS = {"job", "markets", "ours_cpu_s", "peer", "peer_cpu_s", "ratio", "equity_diff"}


def test_without_the_recipe_the_line_says_so_and_does_not_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(range_liquidity, "RECIPES", tmp_path)
    said = line(1)
    assert set(said) >= KEYS and "shared/peers" in str(said["skipped"]) and not drifted(said)


@pytest.mark.skipif(not RECIPES.exists(), reason="the peers' recipes are not beside the repository")
def test_without_the_peer_our_own_time_and_result_are_still_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(PEERS, str(tmp_path))
    said = line(1)
    assert "zelos-demeter" in str(said["skipped"]) and said["ratio"] is None and not drifted(said)
    assert isinstance(said["ours_cpu_s"], float) and isinstance(said["net_value"], float)


@pytest.mark.slow
@pytest.mark.skipif(not (RECIPES.exists() and peer_python().exists()), reason="demeter is not installed")
def test_one_day_comes_out_as_the_peers() -> None:
    said = line(1)
    assert set(said) >= KEYS and "skipped" not in said and not drifted(said)
    assert isinstance(said["equity_diff"], float) and said["equity_diff"] <= MOST_APART


def test_a_result_that_drifts_fails() -> None:
    assert not drifted({"equity_diff": MOST_APART}) and not drifted({"equity_diff": None})
    assert drifted({"equity_diff": 1.1e-6}) and drifted({"equity_diff": float("nan")})
