"""What Curve's own code answered, replayed: equal to the unit, refused where it reverted. Never skipped."""

import json
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from agent.verify.cases.curve_stableswap_ng import GROUPS
from strategies.errors import ActionRefused

GOLDEN: Final = json.loads((Path(__file__).parents[2] / "golden" / "curve.json").read_text())["groups"]


@pytest.mark.parametrize("group", GROUPS)
def test_equals_the_contract_and_refuses_where_it_reverts(group: str) -> None:
    counts = Counter[bool]()
    for case in GOLDEN[group]:
        counts[case["out"] == "REVERT"] += 1
        if case["out"] == "REVERT":
            with pytest.raises(ActionRefused):
                GROUPS[group]({"in": case["in"]})
        else:
            assert GROUPS[group]({"in": case["in"]}) == case["out"]
    assert min(counts[True], counts[False]) >= 10


def test_an_invariant_that_never_settles_is_refused_as_the_contract_does() -> None:
    case = GOLDEN["get_D"][-1]
    assert case["out"] == "REVERT"
    with pytest.raises(ActionRefused, match="does not converge"):
        GROUPS["get_D"]({"in": case["in"]})
