"""What can be wrong with a statistic, by name. It does not describe what is wrong with a tape or a strategy.

EvidenceError
├─ Undefined   the statistic has no value for what it was given; the message says why
└─ BadTrials   trials that cannot be counted or compared; the message says which
"""

from typing import Final

from strategies.errors import UsufructError


class EvidenceError(UsufructError):
    """Nothing can be said about luck from what was given."""


class Undefined(EvidenceError):
    """A statistic that has no value for what it was given."""

    def __init__(self, what: str, *, why: str) -> None:
        super().__init__(f"{what} is undefined: {why}")
        self.what: Final = what
        self.why: Final = why


class BadTrials(EvidenceError):
    """Trials that cannot be counted or compared with one another."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the trials cannot be compared: {what}")
        self.what: Final = what
