"""Parameters as a reader should see them: `lookback_seconds` of 86400 is a lookback of 1 d. Refuses nothing; what it does not
know it shows as it is."""

from typing import Final

from backtest.sweep.space import Value
from strategies.units import SECONDS_PER_DAY

SPANS: Final = (("d", SECONDS_PER_DAY), ("h", 3_600))


def titled(name: str) -> str:
    """A parameter's name: `gate.min_wait_seconds` is gate min wait, `threshold_bps` is threshold, bps."""
    words = name.removesuffix("_seconds").removesuffix("_bps").replace(".", " ").replace("_", " ")
    return f"{words}, bps" if name.endswith("_bps") else words


def shown(name: str, value: Value) -> str:
    """A parameter's value; times in whole days or hours where they are whole."""
    if not isinstance(value, int) or not name.endswith("_seconds"):
        return str(value)
    for unit, seconds in SPANS:
        if value and value % seconds == 0:
            return f"{value // seconds} {unit}"
    return f"{value} s"
