"""Terms that change while a keeper runs: the file is edited, people sign, time passes, and the keeper says what is in force.

What is looser waits for people and for a day; what is stricter counts at once. Both clocks are moved on together."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, Final

from agent.verify.attacks.desk import Desk, desk, terms_of
from agent.verify.attacks.outcome import Outcome, Probe, Unrealised
from agent.verify.attacks.premises import PEOPLE, Premises, toml
from agent.verify.attacks.reference import TABLE, translated
from strategies.errors import SettingsError
from wallets import operators
from wallets.changes import RULE, digest_of
from wallets.terms import put_agreement, read_shown

ORDERED: Final = (  # each first one is below the second, or the second could never bind
    ("people.max_unattended_usd", "people.two_people_above_usd"),
    ("people.two_people_above_usd", "max_transaction_usd"),
    ("max_transaction_usd", "max_day_usd"),
    ("max_transaction_gas_usd", "max_day_gas_usd"),
)
MARKET: Final = {"protocol": "recorded_index", "asset": "USDC", "contracts": {}}


def changed(house: Premises, content: Mapping[str, Any]) -> Outcome:
    """What is in force after an edit, for whom who agreed and how long ago. Raises Unrealised."""
    if strange := set(content) - {"change", "approved_by", "age_s"}:
        raise Unrealised(f"nobody knows what a change with {', '.join(sorted(strange))} is")
    house = _before(house, content["change"])
    written, deployment = _edited(house, content["change"])
    people = [str(name) for name in content.get("approved_by", ())]
    return changed_files(house, written, deployment, people=people, age_seconds=int(content.get("age_s", 0)))


def _before(house: Premises, change: Any) -> Premises:
    """The premises with the values that a change is from, where it says them."""
    content = copy.deepcopy(dict(house.content))
    told = change.items() if isinstance(change, Mapping) else ()
    touched = set[str]()
    for key, values in told:
        if key in TABLE and isinstance(values, list) and len(values) == 2:
            ours, value = translated(key, values[0])
            _put(content["policy"], ours, value)
            touched.add(ours)
    _follow(content["policy"], touched)
    before = replace(house, content=content)
    before.write()
    return before


def changed_files(
    house: Premises, written: Mapping[str, Any], deployment: Mapping[str, Any], *, people: Sequence[str], age_seconds: int
) -> Outcome:
    """The same of files as they are written while a keeper runs."""
    with desk(house) as keeper:
        try:
            house.write_settings(toml(written))
            house.write_deployment(deployment)
            wanted = digest_of(terms_of(house))
            keeper.charter.begin()
        except SettingsError as error:
            return Outcome("reject_input", ("settings",), (str(error),))
        for name in people:
            _agree(house, keeper, name)
        keeper.clock.seconds += age_seconds
        keeper.charter.begin()
        if digest_of(keeper.charter.terms) == wanted:
            return Outcome("allow", (), (), probe=_at_once(keeper, wanted))
        return _held(house, keeper, wanted)


def _held(house: Premises, keeper: Desk, wanted: str) -> Outcome:
    shown = read_shown(keeper.folder)
    ruling = shown.ruled(keeper.clock.now()) if shown is not None else None
    if ruling is None:
        return Outcome("deny", (RULE,), ("the change was not taken in",))
    rules = tuple(dict.fromkeys([reason.rule for reason in ruling.reasons]))
    reasons = tuple([reason.text for reason in ruling.reasons])
    return Outcome("hold", rules, reasons, ruling.people, _later(house, keeper, wanted))


def _at_once(keeper: Desk, wanted: str) -> Probe:
    """In force without a second having passed."""

    def probe(item: str) -> str | None:
        if not item.startswith("effective_within_s:"):
            return None
        return "" if digest_of(keeper.charter.terms) == wanted else "it is not in force"

    return probe


def _later(house: Premises, keeper: Desk, wanted: str) -> Probe:
    """Whether it is still not in force a second before a time, with everybody's agreement, and is at that time."""

    def probe(item: str) -> str | None:
        word, _, number = item.partition(":")
        if word == "policy_unchanged":
            return "" if digest_of(keeper.charter.terms) != wanted else "it is in force"
        if word != "not_effective_before_s":
            return None
        start = keeper.clock.seconds
        with desk(house) as again:  # a restart in between; the clock starts where it was
            again.clock.seconds = start
            for name in PEOPLE:
                _agree(house, again, name)
            for seconds, is_in_force in ((int(number) - 1, False), (int(number), True)):
                again.clock.seconds = start + seconds
                again.charter.begin()
                if (digest_of(again.charter.terms) == wanted) != is_in_force:
                    return f"{seconds} s later, with all agreed, it is {'not ' if is_in_force else ''}in force"
        return ""

    return probe


def _agree(house: Premises, keeper: Desk, name: str) -> None:
    """An operator's signature over the change that waits, where one does and they are one."""
    shown = read_shown(keeper.folder)
    pending = shown.pending if shown is not None else None
    if pending is not None and name in PEOPLE:
        key = operators.unlock(house.folder / f"{name}.pem", house.password)
        put_agreement(keeper.folder, operators.sign_terms(key, name, pending.digest))


def _edited(house: Premises, change: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The files with new values, and with the limits that a new one would leave idle moved along. Raises Unrealised."""
    if not isinstance(change, Mapping):
        raise Unrealised(f"nobody knows the change {change!r}")
    written, deployment = copy.deepcopy(dict(house.content)), copy.deepcopy(dict(house.deployment))
    touched = set[str]()
    for key, values in change.items():
        new = values[-1] if isinstance(values, list) and len(values) == 2 else values
        if key in TABLE:
            ours, value = translated(key, new)
            _put(written["policy"], ours, value)
            touched.add(ours)
        elif key.startswith("chain_ids"):
            _put(written["policy"], "chain_id", int(_last(new)))
        elif key.startswith("recipients"):
            _put(written["policy"], "treasury", "0x" + "a7" * 20)
        elif key.startswith(("calls", "assets", "pools")):
            deployment["markets"].append({"id": "further", "address": "0x" + "a7" * 20, **MARKET})
            written["policy"]["markets"].append("further")
        else:
            _put(written["policy"], key, new)
    _follow(written["policy"], touched)
    return written, deployment


def _last(value: Any) -> Any:
    return value[-1] if isinstance(value, list) and value else value


def _follow(policy: dict[str, Any], touched: set[str]) -> None:
    """A person who moves one limit past another moves that one too: a file with an idle limit would not be read at all."""
    for less, more in ORDERED * 2:
        one, other = _get(policy, less), _get(policy, more)
        if isinstance(one, int) and isinstance(other, int) and one >= other:
            if more in touched:
                _put(policy, less, max(other - 1, 1))
                touched.add(less)
            else:
                _put(policy, more, one + 1)
                touched.add(more)


def _get(content: Mapping[str, Any], dotted: str) -> Any:
    return reduce(lambda inner, name: inner[name], dotted.split("."), content)


def _put(content: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, name = dotted.split(".")
    for section in sections:
        content = content.setdefault(section, {})
    content[name] = value
