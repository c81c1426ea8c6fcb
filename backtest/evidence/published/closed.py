"""The groups of closed forms: which keys a case gives, which it states, and the function that answers. Refuses nothing itself; a
case that a function refuses fails with its reason."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from backtest.evidence import growth_forms as growth
from backtest.evidence import liquidity_forms as liquidity
from backtest.evidence import sharpe
from backtest.evidence.errors import EvidenceError
from backtest.evidence.published.case import Case, Check, Malformed, cases_of, exact, strange, unknown
from backtest.evidence.sharpe import Track
from strategies.units import BPS, SECONDS_PER_DAY

PERIODS: Final = {
    "daily": 250,
    "weekly": 52,
    "monthly": 12,
    "quarterly": 4,
    "yearly": 1,
    "annual": 1,
}  # a year, as the papers count
WORDS: Final = frozenset({"source", "note", "case", "comment"})
DAYS: Final = 365
Answers = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Form:
    """A group's keys and its formula."""

    given: tuple[str, ...]
    stated: tuple[str, ...]
    answer: Callable[[Case], Answers]


def checks(form: Form, group: str, content: object) -> Iterator[Check]:
    """Every stated number of a group."""
    rows = content if isinstance(content, list) else []
    beside = {key: [row[key] for row in rows if isinstance(row, dict) and key in row] for key in form.stated}
    known = WORDS | set(form.given) | set(form.stated)
    for case in cases_of(group, content):
        if isinstance(case, Check):
            yield case
            continue
        yield from strange(case, known)
        yield from _answered(form, case, beside)


def _answered(form: Form, case: Case, beside: Mapping[str, list[object]]) -> Iterator[Check]:
    wanted = [key for key in form.stated if key in case.content]
    if not wanted:
        yield unknown(case.group, case.label, ", ".join(form.stated), "the case states no outcome")
        return
    try:
        answers = form.answer(case)
    except (EvidenceError, ArithmeticError) as error:
        yield from (unknown(case.group, case.label, key, f"cannot be computed: {error}") for key in wanted)
        return
    for key in wanted:
        try:
            yield exact(case, key, case.content[key], computed=answers[key], beside=beside[key])
        except Malformed as error:
            yield unknown(case.group, case.label, key, str(error))


def _psr(case: Case) -> Answers:
    track = Track(sharpe=case.number("sr"), count=case.whole("T"), skew=case.number("skew"), kurtosis=case.number("kurtosis"))
    return {"psr": sharpe.probabilistic_sharpe(track, case.number("benchmark"))}


def _dsr(case: Case) -> Answers:
    periods, trials = case.number("periods_per_year"), case.number("trials")
    variance = case.number("var_sr_annual") / periods
    track = Track(
        sharpe=case.number("sr_annual") / periods**0.5,
        count=case.whole("T"),
        skew=case.number("skew"),
        kurtosis=case.number("kurtosis"),
    )
    return {
        "sr0_per_period": sharpe.luck_hurdle(variance, trials),
        "dsr": sharpe.deflated_sharpe(track, sharpe_variance=variance, trials=trials),
    }


def _expected_maximum(case: Case) -> Answers:
    trials = case.number("N")
    return {"approx": sharpe.expected_maximum(trials), "exact": sharpe.expected_maximum_exact(trials)}


def _min_backtest(case: Case) -> Answers:
    trials, ratio = case.number("N"), case.number("expected_max_sr_annual")
    return {
        "years": sharpe.minimum_backtest_years(trials, ratio),
        "upper_bound_2lnN": sharpe.minimum_backtest_bound_years(trials, ratio),
    }


def _min_track(case: Case) -> Answers:
    said = case.text("freq").split()
    if not said or said[0] not in PERIODS:
        raise Malformed(f"`freq` begins with none of {', '.join(PERIODS)}")
    periods = PERIODS[said[0]]
    track = Track(
        sharpe=case.number("sr_annual") / periods**0.5, count=0, skew=case.number("skew"), kurtosis=case.number("kurtosis")
    )
    found = sharpe.minimum_track(
        track, benchmark=case.number("benchmark_annual") / periods**0.5, confidence=case.number("confidence")
    )
    return {"observations": found, "years": found / periods}


def _standard_error(case: Case) -> Answers:
    return {"se": sharpe.normal_error(case.number("sr"), case.whole("T"))}


def _il(case: Case) -> Answers:
    return {"il": liquidity.impermanent_loss(case.number("price_ratio"))}


def _il_range(case: Case) -> Answers:
    low, high = case.pair("range")
    return {"il": liquidity.impermanent_loss_in_range(case.number("p0"), case.number("p1"), low=low, high=high)}


def _lvr(case: Case) -> Answers:
    day = liquidity.lvr(case.number("sigma_daily"))
    return {"lvr_per_day_bps": day * BPS, "lvr_per_year_pct": day * DAYS * 100}


def _lvr_random(case: Case) -> Answers:
    volatility = case.number("sigma_daily")
    share = liquidity.trade_share_random_blocks(volatility, fee=case.number("fee_bps") / BPS, blocks=_blocks_a_day(case))
    return {"p_trade": share, "arb_per_day_bps": liquidity.lvr(volatility) * share * BPS}


def _lvr_even(case: Case) -> Answers:
    fee = case.number("fee_bps_each_side") / BPS
    share = liquidity.loss_share_even_blocks(case.number("sigma_daily"), fee=fee, blocks=_blocks_a_day(case))
    return {"ratio_to_lvr": share}


def _blocks_a_day(case: Case) -> float:
    return SECONDS_PER_DAY / case.number("block_s")


def _kelly(case: Case) -> Answers:
    drift, volatility = case.number("mu"), case.number("sigma")
    return {
        "f_star": growth.kelly_fraction(drift, volatility),
        "growth_full": growth.kelly_growth(drift, volatility, share=1.0),
        "growth_half": growth.kelly_growth(drift, volatility, share=0.5),
        "prob_ever_below_half_full_kelly": growth.chance_of_falling_to(0.5, share=1.0),
        "prob_ever_below_half_half_kelly": growth.chance_of_falling_to(0.5, share=0.5),
    }


SHAPE: Final = ("skew", "kurtosis")
FORMS: Final[Mapping[str, Form]] = {
    "psr": Form(("sr", "benchmark", "T", *SHAPE), ("psr",), _psr),
    "dsr": Form(("sr_annual", "periods_per_year", "T", "trials", "var_sr_annual", *SHAPE), ("sr0_per_period", "dsr"), _dsr),
    "expected_max_sharpe": Form(("N",), ("approx", "exact"), _expected_maximum),
    "min_backtest_length": Form(("N", "expected_max_sr_annual"), ("years", "upper_bound_2lnN"), _min_backtest),
    "min_track_record_length": Form(
        ("freq", "sr_annual", "benchmark_annual", "confidence", *SHAPE), ("observations", "years"), _min_track
    ),
    "sharpe_standard_error_lo2002": Form(("sr", "T"), ("se",), _standard_error),
    "impermanent_loss_cpmm": Form(("price_ratio",), ("il",), _il),
    "impermanent_loss_v3": Form(("p0", "p1", "range"), ("il",), _il_range),
    "lvr_cpmm": Form(("sigma_daily",), ("lvr_per_day_bps", "lvr_per_year_pct"), _lvr),
    "lvr_fee_poisson_blocks": Form(("sigma_daily", "block_s", "fee_bps"), ("p_trade", "arb_per_day_bps"), _lvr_random),
    "lvr_fee_deterministic_blocks": Form(("sigma_daily", "block_s", "fee_bps_each_side"), ("ratio_to_lvr",), _lvr_even),
    "kelly": Form(
        ("mu", "sigma"),
        (
            *("f_star", "growth_full", "growth_half"),
            *("prob_ever_below_half_full_kelly", "prob_ever_below_half_half_kelly"),
        ),
        _kelly,
    ),
}
