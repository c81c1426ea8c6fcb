"""The wallet's benchmark runs, in a tiny size, and measures what it says. No time is asserted."""

from dataclasses import replace

import pytest

from tests.bench.wallet import Size, lines, small_cases, timed, verdicts
from wallets import guard

TINY = Size(judged=1, budget_seconds=0.0001)


@pytest.mark.chain
def test_every_job_has_a_line() -> None:
    found = list(lines(TINY))
    jobs = [str(line["job"]) for line in found]
    assert jobs[:6] == ["guard verdict"] * 6
    assert set(jobs[6:]) == {"judge"}
    assert len(jobs) == 6 + 9


def test_a_plan_that_is_refused_ends_the_run() -> None:
    refused = {count: replace(case, paused="a drill") for count, case in small_cases().items()}
    with pytest.raises(AssertionError, match="a drill"):
        list(verdicts("small world", refused, TINY))


def test_what_is_timed_is_put_back() -> None:
    real = guard.judge
    with timed() as spent:
        guard.judge(small_cases()[1])
    assert guard.judge is real
    assert list(spent) == ["guard"]
