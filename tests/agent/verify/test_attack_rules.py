"""One table from our rules to the published classes: every rule that is recorded anywhere is in it, and it names no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

from agent.verify.attacks.handing import rule_of
from agent.verify.attacks.rules import CLASSES, classes_of
from strategies.errors import NonceGap, SimulationReverted

ROOT = Path(__file__).resolve().parents[3]
SOURCES = sorted(
    path
    for folder in ("strategies", "wallets", "agent")
    for path in (ROOT / folder).rglob("*.py")
    if "fetch" not in path.parts  # an `Outcome` there is a download's, and names no rule
)
BUILDERS = {"Reason": 0, "NotApproved": 1, "Outcome": 1}  # where a rule stands among the arguments


def rules_of(path: Path) -> Iterator[str]:
    """The rule ids that a file writes down, as literals or by a constant of its own."""
    tree = ast.parse(path.read_text())
    constants = {name: value for node in ast.walk(tree) for name, value in assigned(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in BUILDERS:
            at = BUILDERS[name]
            given = [*node.args[at : at + 1], *[keyword.value for keyword in node.keywords if keyword.arg == "rule"]]
            yield from (text for value in given for text in texts(value, constants))


def assigned(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Text constants, one a line or several."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(node.value, ast.Constant):
        yield node.target.id, str(node.value.value)
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for target, value in zip(targets, values, strict=False):
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                yield target.id, str(value.value)


def texts(value: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Name(id=name) if name in constants:
            yield constants[name]
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts(body, constants)
            yield from texts(orelse, constants)
        case ast.Tuple(elts=elements):
            for element in elements:
                yield from texts(element, constants)
        case _:
            return


def test_every_rule_that_is_recorded_has_a_class() -> None:
    missing = {(rule, path.name) for path in SOURCES for rule in rules_of(path) if rule not in CLASSES}
    assert not missing


def test_the_table_names_no_rule_that_nobody_records() -> None:
    recorded = {rule for path in SOURCES for rule in rules_of(path)}
    texts_of_sources = "\n".join(path.read_text() for path in SOURCES if path.name != "rules.py")
    assert not {rule for rule in set(CLASSES) - recorded if f'"{rule}"' not in texts_of_sources and not rule.startswith("cap-")}


def test_classes_keep_the_order_of_record_and_stand_once() -> None:
    assert classes_of(("effects", "simulation", "target", "nobody-knows")) == ("R-SIMDIFF", "R-TARGET")


def test_a_nonce_that_is_taken_is_a_nonce_and_no_simulation() -> None:
    assert rule_of(NonceGap(expected=5, found=6)) == "nonce"
    assert rule_of(SimulationReverted(index=0, why="it is paused")) == "simulation"
