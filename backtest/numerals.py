"""Numbers and times as a reader should see them. Refuses nothing; what is not a number is a dash."""

import math
from datetime import UTC, datetime
from typing import Final

from strategies.assets import Amount, figure

DASH: Final = "–"
UNKNOWN: Final = "unknown"
MINUS: Final = "\u2212"


def percent(share: float) -> str:
    """Two decimals: 4.93 %."""
    return _signed(f"{share * 100:.2f} %", share)


def whole_percent(share: float) -> str:
    """No decimals: 25 %."""
    return _signed(f"{share * 100:.0f} %", share)


def fine_percent(share: float) -> str:
    """Four decimals, for what is small: −0.0012 %."""
    return _signed(f"{share * 100:.4f} %", share)


def chance(probability: float) -> str:
    """A probability in whole percent, never rounded to certainty; unknown is said, never 0."""
    if math.isnan(probability):
        return UNKNOWN
    if 0 < probability < 0.005:
        return "under 1 %"
    return "over 99 %" if 0.995 <= probability < 1 else whole_percent(probability)


def points(share: float) -> str:
    """A difference of two percentages, always signed: +0.27."""
    return _signed(f"{share * 100:+.2f}", share)


def dollars(usd: float) -> str:
    """Whole dollars; cents below a thousand."""
    return _signed(f"${abs(usd):,.0f}" if abs(usd) >= 1_000 else f"${abs(usd):,.2f}", usd)


def gained(value: float) -> str:
    """Whole units, always signed."""
    return _signed(f"{value:+,.0f}", value)


def quantity(value: float) -> str:
    """A number as finely as its size asks for."""
    places = 0 if abs(value) >= 10_000 else 2 if abs(value) >= 100 else 4
    return _signed(f"{value:,.{places}f}", value)


def cents(value: float) -> str:
    """Two decimals, whatever the size."""
    return _signed(f"{value:,.2f}", value)


def cut(amount: Amount) -> str:
    """An exact amount, cut (not rounded) after two decimals, or six where it is less than a hundred."""
    whole, rest = divmod(amount.raw, 10**amount.asset.decimals)
    places = 2 if whole >= 100 else 6
    fraction = f"{rest:0{amount.asset.decimals}d}"[:places].rstrip("0")
    return f"{whole:,}{'.' + fraction if fraction else ''} {amount.asset.symbol}"


def exact(raw: int, decimals: int) -> str:
    """Base units as a decimal with every digit and no separators, for programs: 1234500000 of six decimals is 1234.5."""
    return figure(raw, decimals).replace(",", "")


def day(timestamp: int) -> str:
    """2023-03-11."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")


def moment(timestamp: int) -> str:
    """2023-03-11 08:00."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M")


def later_by(seconds: int) -> str:
    """How much later: at once, 1 h later, 3.5 h later."""
    return f"{seconds / 3_600:.3g} h later" if seconds else "at once"


def _signed(text: str, value: float) -> str:
    """With a true minus; a dash for what is no number."""
    if math.isnan(value):
        return DASH
    plain = text.lstrip("+-")
    if not plain.strip("$%.,0 "):  # what rounds to nothing has no sign
        return plain
    return MINUS + plain if value < 0 else text
