"""The groups that are drawn: overfitting on seeded matrices, and a pool simulated against blocks and a fee. Refuses a generator
that it cannot read word for word, and one too large to finish.

A seeded probability is met to one combination; where the chosen column ties with the middle, either count of the ties will do.
A simulation is met within three standard errors, theirs and ours together; one in 370 honest ones lies beyond, so such a case
is drawn once more, with another seed and four times the paths, before it counts as failed."""

import math
import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from backtest.evidence import liquidity_forms as liquidity
from backtest.evidence.errors import EvidenceError
from backtest.evidence.overfitting import MOST_BLOCKS, Overfitting, overfitting
from backtest.evidence.published.case import Case, Check, Malformed, bounded, cases_of, exact, near, shown, strange, unknown
from backtest.evidence.sharpe import deflated_sharpe, moments, track_of
from backtest.evidence.simulated import Effort, PoolLoss, even_blocks, pool_loss, random_blocks
from backtest.evidence.trials import sharpe_variance, sharpes
from strategies.tape import Floats
from strategies.units import SECONDS_PER_DAY

NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?"
GENERATOR: Final = re.compile(
    rf"numpy RandomState\(([0-9]+)\)\.standard_normal\(\(([0-9]+), ?([0-9]+)\)\)(?:; column ([0-9]+) \+= ({NUMBER}))?"
)
MANY: Final = re.compile(r"noise, ([0-9]+) seeds RandomState\(([0-9]+)\.\.([0-9]+)\), T=([0-9]+), N=([0-9]+), S=([0-9]+)")
ONE_KEYS: Final = frozenset({"case", "generator", "S", "combinations", "pbo", "median_logit", "note"})
MANY_KEYS: Final = frozenset({"case", "mean_pbo", "sd_pbo", "note"})
POOL_KEYS: Final = frozenset({"sigma_daily", "block_s", "fee", "blocks", "mc_ratio", "se", "mc_trade_prob", "note"})
WAITS: Final = {"deterministic": even_blocks, "poisson": random_blocks}
MOST_CELLS: Final = 20_000_000  # of one seeded matrix
MOST_SEEDS: Final = 2_000
LARGEST_SEED: Final = 2**32 - 1
ENOUGH_SEEDS: Final = 100  # for the mean of pure noise to lie where noise puts it
NOISE: Final = (0.48, 0.56)
SURE: Final = 0.95
SURE_SHARE: Final = 0.05  # of matrices of pure noise, at most
EFFORT: Final = Effort(paths=8_000, steps=4_000, seed=2_305_14604)
ERRORS: Final = 3.0


def overfitting_checks(group: str, content: object) -> Iterator[Check]:
    """The probability of overfitting on each seeded matrix, or the mean and spread over many."""
    for case in cases_of(group, content):
        if isinstance(case, Check):
            yield case
            continue
        many = "mean_pbo" in case.content or "sd_pbo" in case.content
        yield from strange(case, MANY_KEYS if many else ONE_KEYS)
        try:
            yield from _many(case) if many else _one(case)
        except (EvidenceError, ArithmeticError) as error:
            yield unknown(case.group, case.label, "mean_pbo" if many else "pbo", f"cannot be computed: {error}")


def pool_checks(group: str, content: object) -> Iterator[Check]:
    """The pool's loss and share of trades against the stated simulation, and against the closed form where it is exact enough."""
    for case in cases_of(group, content):
        if isinstance(case, Check):
            yield case
            continue
        yield from strange(case, POOL_KEYS)
        try:
            yield from _pool(case)
        except (EvidenceError, ArithmeticError) as error:
            yield unknown(case.group, case.label, "mc_ratio", f"cannot be computed: {error}")


def _one(case: Case) -> Iterator[Check]:
    said = GENERATOR.fullmatch(case.text("generator"))
    if said is None:
        raise Malformed(f"the generator {shown(case.text('generator'))} is none that is known")
    seed, periods, trials = (int(one) for one in said.groups()[:3])
    returns = matrix(seed, periods, trials)
    if said[4] is not None:
        if int(said[4]) >= trials:
            raise Malformed(f"there is no column {said[4]} among {trials}")
        returns[:, int(said[4])] += float(said[5])
    found = overfitting(returns, case.whole("S"))
    if "combinations" in case.content:
        yield near(case, "combinations", case.content["combinations"], computed=found.combinations, tolerance=0.0)
    yield _probability(case, found)
    if "median_logit" in case.content:
        stated = case.content["median_logit"]
        yield exact(case, "median_logit", stated, computed=found.median_logit, beside=())


def _probability(case: Case, found: Overfitting) -> Check:
    stated, one = case.number("pbo"), 1.0 / found.combinations
    least = found.probability - found.even * one  # as if the ties were not overfit
    computed = min(max(stated, least), found.probability)
    return near(case, "pbo", case.content["pbo"], computed=computed, tolerance=one)


def _many(case: Case) -> Iterator[Check]:
    said = MANY.fullmatch(case.text("case"))
    if said is None:
        raise Malformed(f"{shown(case.text('case'))} is not as `noise, 200 seeds RandomState(0..199), …`")
    count, first, last, periods, trials, blocks = (int(one) for one in said.groups())
    if last - first + 1 != count or count > MOST_SEEDS or blocks > MOST_BLOCKS:
        raise Malformed(f"{count} seeds from {first} to {last} and {blocks} blocks; at most {MOST_SEEDS} and {MOST_BLOCKS}")
    found, sure = [], 0
    for seed in range(first, last + 1):
        returns = matrix(seed, periods, trials)
        found.append(overfitting(returns, blocks))
        sure += best_deflated(returns) > SURE
    probabilities = np.array([one.probability for one in found])
    one = 1.0 / found[0].combinations
    if "mean_pbo" in case.content:
        yield near(case, "mean_pbo", case.content["mean_pbo"], computed=float(probabilities.mean()), tolerance=one)
    if "sd_pbo" in case.content:
        yield near(case, "sd_pbo", case.content["sd_pbo"], computed=float(probabilities.std()), tolerance=one)
    if count >= ENOUGH_SEEDS:
        yield bounded(case, "mean PBO of noise", computed=float(probabilities.mean()), low=NOISE[0], high=NOISE[1])
        yield bounded(case, "deflated Sharpe above 0.95", computed=sure / count, low=0.0, high=SURE_SHARE)


def matrix(seed: int, periods: int, trials: int) -> Floats:
    """The seeded matrix [period, trial] that a generator names. Raises Malformed."""
    if periods * trials > MOST_CELLS or seed > LARGEST_SEED:
        raise Malformed(f"{periods} × {trials} numbers from seed {seed}; at most {MOST_CELLS} from {LARGEST_SEED}")
    drawn: Floats = np.random.RandomState(seed).standard_normal((periods, trials))
    return drawn


def best_deflated(returns: Floats) -> float:
    """The deflated Sharpe ratio of the best column, all columns counted as trials. Raises Undefined."""
    best = returns[:, int(np.argmax(sharpes(returns)))]
    return deflated_sharpe(track_of(moments(best)), sharpe_variance=sharpe_variance(returns), trials=returns.shape[1])


def _pool(case: Case) -> Iterator[Check]:
    if case.text("blocks") not in WAITS:
        raise Malformed(f"`blocks` is {shown(case.text('blocks'))}; {' or '.join(WAITS)} is needed")
    first = tuple(_drawn_checks(case, _drawn(case, EFFORT)))
    if all(check.passed for check in first):
        yield from first
        return
    again = Effort(paths=4 * EFFORT.paths, steps=EFFORT.steps, seed=EFFORT.seed + 1)
    yield from _drawn_checks(case, _drawn(case, again))


def _drawn(case: Case, effort: Effort) -> PoolLoss:
    volatility = case.number("sigma_daily") * math.sqrt(case.number("block_s") / SECONDS_PER_DAY)
    return pool_loss(volatility, fee=case.number("fee"), waits=WAITS[case.text("blocks")], effort=effort)


def _drawn_checks(case: Case, found: PoolLoss) -> Iterator[Check]:
    ratio, share, theirs = found.ratio, found.trade_share, case.number("se")
    reach = ERRORS * math.hypot(ratio.error, theirs)
    yield near(case, "mc_ratio", case.content.get("mc_ratio"), computed=ratio.value, tolerance=reach)
    if "mc_trade_prob" in case.content:
        # Their error of the share is not stated; it is to ours as their error of the ratio is to ours.
        reach = ERRORS * share.error * math.hypot(1.0, theirs / ratio.error)
        yield near(case, "mc_trade_prob", case.content["mc_trade_prob"], computed=share.value, tolerance=reach)
    volatility, fee, blocks = case.number("sigma_daily"), case.number("fee"), SECONDS_PER_DAY / case.number("block_s")
    if case.text("blocks") == "poisson":
        form = liquidity.trade_share_random_blocks(volatility, fee=fee, blocks=blocks)
    elif fee >= volatility / math.sqrt(blocks):  # the form is a limit: with a narrow fee it is another number
        form = liquidity.loss_share_even_blocks(volatility, fee=fee, blocks=blocks)
    else:
        return
    reach = ERRORS * ratio.error
    yield bounded(case, "simulated as the closed form", computed=ratio.value, low=form - reach, high=form + reach)
