"""What the threat model says of the source is so: every path is there, every rule is in its table and in the file it names."""

import re
from pathlib import Path

import pytest

from agent.verify.attacks.rules import CLASSES
from wallets.policy import Policy

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
ROW = re.compile(r"^\| `([a-z-]+)` \| (R-[A-Z-]+) \| `([a-z_/]+\.py)` \|$", re.MULTILINE)
ROWS = {rule: (its_class, file) for rule, its_class, file in ROW.findall(TEXT)}


def missing(text: str) -> list[str]:
    """Every path in backticks that is not there."""
    return [path for path in re.findall(r"`([\w./-]+\.(?:py|md))`", text) if not (ROOT / path).is_file()]


def is_given(rule: str, file: str) -> bool:
    """Whether a file says a rule's name."""
    source = (ROOT / file).read_text()
    return f'"{rule}"' in source or (rule.startswith("cap-") and 'f"cap-{kind}"' in source)


def test_every_path_is_there() -> None:
    assert missing(TEXT) == []
    assert missing("`wallets/nowhere.py`") == ["wallets/nowhere.py"]


def test_the_table_has_every_rule_with_its_class_and_no_other() -> None:
    assert {rule: its_class for rule, (its_class, _) in ROWS.items()} == dict(CLASSES)


@pytest.mark.parametrize("rule", sorted(ROWS))
def test_the_rule_is_given_in_the_file_it_names(rule: str) -> None:
    assert is_given(rule, ROWS[rule][1])
    assert not is_given(f"no-{rule}", ROWS[rule][1])


def test_settings_it_names_exist() -> None:
    for name in ("max_reading_age_seconds", "max_calls"):
        assert name in TEXT
        assert name in Policy.model_fields
