"""A history that somebody edits: written by the keeper's own journal with a signed head behind every turn, exported as JSONL,
edited as the case says by somebody who knows the format but not the key, and examined offline.

The last head was copied away beforehand, as the documentation asks: that alone finds a tail that was cut with its heads."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent.verify.attacks.desk import Desk, desk
from agent.verify.attacks.outcome import Input, Outcome, Probe, Runner, Setting, Unrealised
from agent.verify.attacks.premises import Premises
from wallets import audit, journal, sealing, wire
from wallets.audit import Report
from wallets.keeper import STORE
from wallets.store import Head

RULE: Final = "journal"
TURN_LINES: Final = 64  # between two heads of a long history
ALL_HEADED: Final = 200  # up to here every line has a head of its own


@dataclass(frozen=True, slots=True)
class History:
    """An exported history, as an editor holds it."""

    heads: tuple[Head, ...]
    lines: tuple[str, ...]

    def text(self) -> str:
        return "".join([f"{text}\n" for text in (*[wire.to_text(head) for head in self.heads], *self.lines)])


def history_runner(at: Premises) -> Runner:
    """Writes, edits and examines a history."""

    def run(handed: Input, _: Setting) -> Outcome:
        if handed.given:
            raise Unrealised(f"nobody tells a history {', '.join(handed.given)}")
        said = str(handed.content["audit"]["edit"])
        numbers = [int(number) for number in re.findall(r"\d+", said)]
        house = at.another()
        with desk(house) as keeper:
            found = written(keeper, _length(said, numbers))
            key = (keeper.folder / sealing.PUBLIC_FILE).read_text().strip()
            edited = _edited(found, said, numbers)
            report = _examined(keeper.folder, edited, key, found.heads[-1])
        if report.unsigned and not report.why:  # it is counted and shown: nobody vouches for these lines
            report = replace(report, line=report.signed + 1, why="no head covers it")
        if report.why:
            return Outcome("deny", (RULE,), (f"line {report.line}: {report.why}",), probe=_probe(report))
        return Outcome("allow", (), (f"{report.lines} lines, signed to {report.signed}",), probe=_probe(report))

    return run


def _length(said: str, numbers: list[int]) -> int:
    """How many records there are: "of 10", or as many as are needed and some more."""
    named = re.search(r"\bof (\d+)", said)
    length = int(named[1]) if named else max([10, *[number + 10 for number in numbers]])
    if length > 10**5:
        raise Unrealised(f"nobody writes {length} records")
    return length


def written(keeper: Desk, length: int) -> History:
    """So many lines of the keeper's own journal, sealed as it works."""
    keeper.book.seal()
    while (count := len(keeper.book.lines())) < length:
        keeper.parts.note("receipt", int(time.time()), {"intent": f"catalogue-{count}", "amount": str(count)})
        if length <= ALL_HEADED or count % TURN_LINES == 0:
            keeper.book.seal()
    keeper.book.seal()
    out = keeper.folder / "exported.jsonl"
    audit.export(keeper.folder / STORE, out)
    texts = out.read_text().splitlines()
    heads = [text for text in texts if '"previous":' not in text]
    return History(tuple([wire.from_text(Head, text) for text in heads]), tuple(texts[len(heads) :]))


def _examined(folder: Path, edited: History, key: str, copied: Head) -> Report:
    path = folder / "edited.jsonl"
    path.write_text(edited.text())
    return audit.examine(path, key, (copied,))


def _edited(found: History, said: str, numbers: list[int]) -> History:
    """The history as the editor leaves it. Raises Unrealised."""
    for words, edit in EDITS.items():
        if re.search(words, said, re.IGNORECASE):
            return edit(found, numbers, said)
    raise Unrealised(f"nobody knows the edit {said!r}")


def _rotated(found: History, _numbers: list[int], _said: str) -> History:
    """The chain goes on: one store, many heads, nothing to edit."""
    return found


def _gone(_found: History, _numbers: list[int], _said: str) -> History:
    return History((), ())


def _cut(found: History, numbers: list[int], said: str) -> History:
    """Lines from the end, with their heads."""
    match = re.search(r"last (\d+|two|three|one)?", said, re.IGNORECASE)
    words = {"one": 1, "two": 2, "three": 3, None: 1}
    after = len(found.lines) - (words.get(match[1]) or int(match[1] or 1)) if match else (numbers or [0])[0]
    return History(tuple([head for head in found.heads if head.seq <= after]), found.lines[:after])


def _deleted(found: History, numbers: list[int], said: str) -> History:
    at = _at(numbers, said)
    return replace(found, lines=(*found.lines[: at - 1], *found.lines[at:]))


def _swapped(found: History, numbers: list[int], said: str) -> History:
    one = _at(numbers, said)
    other = numbers[1] if len(numbers) > 1 and "of" not in said else one + 1
    lines = list(found.lines)
    lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
    return replace(found, lines=tuple(lines))


def _doubled(found: History, numbers: list[int], said: str) -> History:
    at = _at(numbers, said)
    return replace(found, lines=(*found.lines[:at], *found.lines[at - 1 :]))


def _inserted(found: History, numbers: list[int], said: str) -> History:
    """A line that never was, and everything behind it chained anew."""
    at = _at(numbers, said) if numbers else len(found.lines)
    return replace(found, lines=_chained((*found.lines[:at], _forged(found.lines[at - 1]), *found.lines[at:])))


def _changed(found: History, numbers: list[int], said: str) -> History:
    """Another amount in a line; where the editor is thorough, everything behind it is chained anew."""
    at = _at(numbers, said)
    lines = (*found.lines[: at - 1], _forged(found.lines[at - 1]), *found.lines[at:])
    is_thorough = re.search(r"re-?(hash|chain|comput|calculat|build|writ)|new hash|fix", said, re.IGNORECASE) is not None
    return replace(found, lines=_chained(lines) if is_thorough else lines)


def _resigned(found: History, numbers: list[int], said: str) -> History:
    """Heads that claim another key's signature."""
    other = "ab" * 32
    return replace(_changed(found, numbers or [1], said), heads=tuple([replace(head, public_key=other) for head in found.heads]))


def _reheaded(found: History, _numbers: list[int], _said: str) -> History:
    """The last head says it signed another line."""
    last = found.heads[-1]
    return replace(found, heads=(*found.heads[:-1], replace(last, hash="00" * 32)))


def _at(numbers: list[int], said: str) -> int:
    if not numbers:
        raise Unrealised(f"nobody knows which record {said!r} means")
    return numbers[0]


def _forged(line: str) -> str:
    """The same line with another content, well written."""
    content = json.loads(line)
    content["content"] = {**content["content"], "amount": "1000000"}
    return wire.canonical(content)


def _chained(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Lines numbered and chained anew."""
    found, previous = list[str](), ""
    for seq, line in enumerate(lines, start=1):
        said = json.loads(line)
        text = journal.line_of(seq=seq, kind=said["kind"], timestamp=said["at"], content=said["content"], previous=previous)
        found.append(text)
        previous = journal.hash_of(text)
    return tuple(found)


def _reformatted(found: History, numbers: list[int], said: str) -> History:
    """The same content in a line that is written otherwise."""
    at = _at(numbers, said)
    return replace(found, lines=(*found.lines[: at - 1], json.dumps(json.loads(found.lines[at - 1])), *found.lines[at:]))


EDITS: Final[Mapping[str, Callable[[History, list[int], str], History]]] = {
    r"^\s*(none|nothing|no edit|untouched|unchanged|intact)|copied to|rotat|archiv|compress|new file|goes on": _rotated,
    r"\b(whole|entire|all (records|lines)|wiped?|emptied|the (log|file|history) (is )?(deleted|removed))\b": _gone,
    r"truncat|\bcut\b|\blast\b|\btail\b|roll(ed)? ?back|older|restor": _cut,
    r"\b(swap|reorder|order|exchang|mov)": _swapped,
    r"\b(duplicat|twice|repeat|copy|copied)": _doubled,
    r"\b(insert|add(ed|ing)?\b|append|forg)": _inserted,
    r"whitespace|reformat|pretty": _reformatted,
    r"re-?sign|(other|another|new|own) key": _resigned,
    r"\bheads?\b": _reheaded,
    r"\b(delet|remov|drop)": _deleted,
    r"\b(edit|chang|modif|flip|alter|byte|replac|overwrit|amount|timestamp|recomput|re-?hash|re-?writ|tamper)": _changed,
}


def _probe(report: Report) -> Probe:
    """What the examination says."""

    def probe(item: str) -> str | None:
        word, _, rest = item.partition(":")
        if word == "verify_ok":
            return report.why
        if word == "verify_fails_at":
            return "" if report.why and str(report.line) == rest else f"line {report.line}: {report.why or 'nothing is wrong'}"
        if word == "verify_fails":
            return "" if report.why else "it verifies"
        return "" if word in ("log_still_verifies", "nothing_signed") and not report.why else None

    return probe
