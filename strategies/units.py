"""Scales and the only rounding there is: three divisions whose direction is a word in their name. Refuses nothing itself;
a division by zero is Python's own error."""

from typing import Final

WAD: Final = 10**18
RAY: Final = 10**27
HALF_RAY: Final = RAY // 2
BPS: Final = 10_000
USD_E8: Final = 10**8
GWEI: Final = 10**9
SECONDS_PER_YEAR: Final = 31_536_000
SECONDS_PER_DAY: Final = 86_400
MAX_UINT256: Final = 2**256 - 1


def mul_div_down(a: int, b: int, divisor: int) -> int:
    """a * b / divisor, rounded down."""
    return a * b // divisor


def mul_div_up(a: int, b: int, divisor: int) -> int:
    """a * b / divisor, rounded up."""
    return -(-a * b // divisor)


def mul_div_half_up(a: int, b: int, divisor: int) -> int:
    """a * b / divisor, to the nearest; a half goes up."""
    return (a * b + divisor // 2) // divisor
