"""What `doctor` says of one thing it looked at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `fine` None: not wrong, but worth knowing."""

    what: str
    fine: bool | None
    text: str
