"""Numbers, addresses and keys as a person writes them into a file. Refuses fractions, truth values, negative and over-long
figures, other alphabets' digits, and the zeros that a template leaves behind."""

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from strategies.units import BPS

NONE: Final = "none"  # what a person leaves out on purpose: TOML has no null
FROZEN: Final = ConfigDict(frozen=True, extra="forbid")
MAX_DIGITS: Final = 30  # a figure this long is no limit any more


def _whole(value: object) -> object:
    """Only a whole number, or its digits as the environment gives them: 1.0, true, nan and 1e9 are mistakes, not limits."""
    is_text = isinstance(value, str) and value.isascii() and value.isdecimal()
    if isinstance(value, bool) or not (isinstance(value, int) or is_text):
        raise ValueError("write a whole number")
    if (isinstance(value, str) and len(value) > MAX_DIGITS) or (isinstance(value, int) and abs(value) >= 10**MAX_DIGITS):
        raise ValueError(f"write a whole number of at most {MAX_DIGITS} digits")
    return int(value) if isinstance(value, str) else value


def _whole_or_none(value: object) -> object:
    """The same, or the word for a limit that a person leaves out on purpose."""
    return None if value is None or value == NONE else _whole(value)


def _somebodys(digits: str) -> str:
    if not digits.removeprefix("0x").strip("0"):
        raise ValueError("nothing but zeros belongs to nobody; write your own")
    return digits


Positive = Annotated[int, BeforeValidator(_whole), Field(gt=0)]
NonNegative = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
Threshold = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_whole_or_none)]
Bps = Annotated[int, BeforeValidator(_whole), Field(gt=0, le=BPS)]
HexAddress = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{40}$"), AfterValidator(_somebodys)]
HexKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), AfterValidator(_somebodys)]
