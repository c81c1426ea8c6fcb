"""A catalogue of attacks, read from its file: strict YAML, and every case split into what a runner may see and what only the
scorer may.

Refuses what is no catalogue at all: too large, no UTF-8, repeated keys, tags, anchors, merges, missing parts. A single case with
a word that nobody knows is kept, and says so: it fails, and the others run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import yaml
from yaml import YAMLError

from agent.verify.attacks import vocabulary
from agent.verify.attacks.outcome import VERDICTS, Content, Input, Setting
from agent.verify.attacks.reference import OWN

MAX_BYTES: Final = 8 * 2**20
DEEPEST: Final = 64
PARTS: Final = ("meta", "rules", "bindings", "reference_policy", "world", "cases")
_TAG: Final = "tag:yaml.org,2002:"
_SCALARS: Final = frozenset(f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp"))


class CatalogueUnreadable(Exception):
    """The file is no catalogue in the published format."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What only the scorer may see of a case."""

    verdicts: tuple[str, ...]
    rules: tuple[str, ...]
    approvals: int | None
    post: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One case, in its two halves. `unread` names the words of it that nobody knows."""

    id: str
    category: str
    is_benign: bool
    seen: Input  # all that a runner gets
    expected: Expected
    unread: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A whole file."""

    setting: Setting
    rules: frozenset[str]  # the classes that its cases name
    cases: tuple[Case, ...]


def read(path: Path) -> Catalogue:
    """The catalogue of a file. Raises CatalogueUnreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CatalogueUnreadable(f"{path} cannot be read ({error.strerror})") from None
    if len(content) > MAX_BYTES:
        raise CatalogueUnreadable(f"{path} is larger than {MAX_BYTES} bytes")
    try:
        return of(plain(content.decode("utf-8")))
    except (UnicodeDecodeError, YAMLError, RecursionError, ValueError) as error:
        raise CatalogueUnreadable(f"{path}: {error}") from None


def plain(text: str) -> object:
    """YAML as plain values. Raises ValueError on repeated keys, tags, anchors, merges and depth; YAMLError."""
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ValueError(f"anchors and aliases are refused{_place(event)}")
    return _value(yaml.compose(text, Loader=yaml.SafeLoader), DEEPEST)


def _value(node: Any, levels: int) -> object:
    if levels == 0:
        raise ValueError(f"nested more than {DEEPEST} deep")
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        return [_value(item, levels - 1) for item in node.value]
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        found: dict[str, object] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _SCALARS or key.value in found:
                raise ValueError(f"a key that is repeated, or no word{_place(key)}")
            found[key.value] = _value(item, levels - 1)
        return found
    if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
        return node.value if node.tag.endswith("timestamp") else yaml.constructor.SafeConstructor().construct_object(node)
    raise ValueError(f"the tag {getattr(node, 'tag', '')!r} is refused{_place(node)}")


def _place(marked: Any) -> str:
    mark = getattr(marked, "start_mark", None)
    return f" (line {mark.line + 1})" if mark is not None else ""


def of(content: object) -> Catalogue:
    """The same of plain values. Raises ValueError."""
    if not isinstance(content, dict) or not set(PARTS) <= content.keys():
        raise ValueError(f"not in the published format: it has the parts {', '.join(PARTS)}")
    parts = {part: content[part] for part in PARTS}
    if not all(isinstance(parts[part], dict) for part in PARTS[:-1]) or not isinstance(parts["cases"], list):
        raise ValueError("not in the published format: its parts are records, and `cases` a list")
    if OWN in parts["reference_policy"]:
        raise ValueError(f"the assumed policy says {OWN}, which is ours to say")
    rules = frozenset(parts["rules"])
    cases = tuple(_case(at, one, rules) for at, one in enumerate(parts["cases"]))
    if len({case.id for case in cases}) != len(cases) or not cases:
        raise ValueError("no cases, or two of one id")
    return Catalogue(Setting(parts["bindings"], parts["reference_policy"], parts["world"]), rules, cases)


def _case(at: int, content: object, rules: frozenset[str]) -> Case:
    if not isinstance(content, dict) or not isinstance(content.get("id"), str) or not isinstance(content.get("category"), str):
        raise ValueError(f"cases[{at}] has no id or no category")
    given, handed = content.get("given"), content.get("input")
    if not isinstance(given, dict | None) or not isinstance(handed, dict) or not isinstance(content.get("benign"), bool):
        raise ValueError(f"{content['id']}: `given` and `input` are records, `benign` is true or false")
    expected, doubts = _expected(content.get("expect"), rules)
    seen = stripped(content)
    unread = [key for key in content if key not in vocabulary.CASE]
    if seen.layer not in vocabulary.LAYERS:
        unread.append(f"layer {seen.layer}")
    unread += [*doubts, *vocabulary.strange(seen.surface, seen.given, seen.content)]
    return Case(content["id"], content["category"], content["benign"], seen, expected, tuple(unread))


def stripped(content: Content) -> Input:
    """The only way from a case to a runner: surface, layer, protocols it needs, `given` and `input`, and nothing else."""
    return Input(
        surface=str(content.get("surface")),
        layer=str(content.get("layer")),
        given=content.get("given") or {},
        content=content["input"],
        requires=tuple(map(str, content.get("requires") or ())),
    )


def _expected(content: object, rules: frozenset[str]) -> tuple[Expected, list[str]]:
    said = cast("Mapping[str, Any]", content) if isinstance(content, dict) else {}
    doubts = [f"expect.{key}" for key in said if key not in vocabulary.EXPECT]
    verdicts, named, post = (_words(said.get(key)) for key in ("verdict", "rules", "post"))
    doubts += [f"verdict {word}" for word in verdicts if word not in VERDICTS] + ([] if verdicts else ["expect.verdict"])
    doubts += [f"rule {word}" for word in named if word not in rules]
    approvals = said.get("approvals")
    if approvals is not None and (not isinstance(approvals, int) or isinstance(approvals, bool)):
        doubts.append("expect.approvals")
    return Expected(verdicts, named, approvals, post), doubts


def _words(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
