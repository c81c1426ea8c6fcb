"""Skill or luck, in a report's words. Refuses to round a chance to certainty, and to show as a number what is not known."""

import math
from html import escape

from backtest import tables
from backtest.evidence.statement import Evidence, for_people
from backtest.numerals import UNKNOWN, chance, percent, points


def section(evidence: Evidence) -> str:
    """The section of the page."""
    return (
        f'<h2>Skill or luck</h2><p class="verdict">{escape(evidence.sentence)}</p>{tables.tiles(figures(evidence))}'
        '<p class="say">All of daily returns in excess of equal weight: a rate earned over zero makes any ratio look good. '
        "Errors are robust to days that resemble the days before them.</p>"
    )


def counted(evidence: Evidence) -> str:
    """The trial count in words."""
    return f"{evidence.trials:,} trial{'' if evidence.trials == 1 else 's'} counted"


def figures(evidence: Evidence) -> tuple[tuple[str, str, str], ...]:
    """Each figure's name, its value, and what it is, for people."""
    found = evidence
    return (
        (
            "Trials",
            f"{found.trials:,}",
            f"worth {for_people(found.effective_trials, 1)} independent ones; this one is among them",
        ),
        ("Deflated Sharpe", chance(found.deflated_sharpe), "that it is more than the best of so many tries without skill"),
        ("Probabilistic Sharpe", chance(found.probabilistic_sharpe), "that it is above zero, were this the only try"),
        ("Luck alone", chance(found.luck), "of so many tries without skill have one this good"),
        (
            "Sharpe ratio, a day",
            f"{for_people(found.sharpe, 3)}",
            f"± {for_people(found.sharpe_error, 3)}, of {found.observations:,} days",
        ),
        ("Growth over equal weight", _interval(found), "points a year, 95 % of resampled histories"),
        ("Probability of overfitting", *_overfitting(found.overfitting)),
        ("Track needed", _days(found.min_track_days), f"for 95 % confidence; there are {found.observations:,}"),
    )


def _interval(found: Evidence) -> str:
    if math.isnan(found.excess_low) or math.isnan(found.excess_high):
        return UNKNOWN
    return f"{points(found.excess_low)} to {points(found.excess_high)}"


def _overfitting(value: float | None) -> tuple[str, str]:
    if value is None:
        return UNKNOWN, "it takes a sweep of 160 days or more"
    return percent(value), "that the best of the sweep in one half is below the middle in the other"


def _days(value: float) -> str:
    if math.isnan(value):
        return UNKNOWN
    return "never" if math.isinf(value) else f"{math.ceil(value):,} days"
