"""`given` about the wallet itself: its policy, its people, what its store remembers, its lists, its stops, its disk, its
endpoint.

Refuses a word whose meaning here is not certain."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from agent.verify.attacks import policy as limits
from agent.verify.attacks.ground import EVIL, POOLS
from agent.verify.attacks.outcome import Unrealised
from agent.verify.attacks.reference import BLOCK_SECONDS
from agent.verify.attacks.scene import Earlier, Said, Scene

PEOPLE: Final = ("alice", "bob", "carol")
LONG_AGO_SECONDS: Final = 7_200
ACTION_EVERY_SECONDS: Final = 240
ONE_DIGIT: Final = re.compile(r"(\$\w+) with one hex digit changed")
EVERYTHING: Final = "everything"
HONEST: Final = ("success", "ok", "same", "agrees", "honest", "pass")
SIMULATORS: Final = ("eth_simulateV1", "debug_traceCall")
WHEREVER: Final = ("session", "via", "device", "ip")  # where a person said it: one person is one person
ELSEWHERE: Final = ("used", "used_before", "policy_hash", "policy", "chain", "chain_id", "account", "hash", "digest", "plan")
UNITS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}
DONE: Final = ("reverted", "failed", "dropped", "released", "cancelled", "expired")


def policy(scene: Scene, value: Mapping[str, Any]) -> None:
    """Changes to the reference policy; assets that are added are listed everywhere."""
    for text in value.get("pools+", ()):
        pair = {scene.token(symbol).symbol for symbol in re.findall(r"[A-Z]{3,}", str(text))}
        scene.pools += [pool for pool in POOLS if {pool[0].symbol, pool[1].symbol} == pair and pool not in scene.pools]
    others = {path: content for path, content in value.items() if path != "pools+"}
    scene.reference = limits.overridden(scene.reference, others)
    for symbol in value.get("assets+", ()):
        name = scene.token(symbol).symbol
        if name not in scene.symbols:
            scene.symbols.append(name)
        if name == EVIL.symbol:
            scene.hold(name, 1_000)


def approvals(scene: Scene, value: list[Any]) -> None:
    """People who said yes: by name, or with what they saw and when."""
    for one in value:
        scene.said.append(_said({"by": one} if isinstance(one, str) else one, is_no=False))


def decisions(scene: Scene, value: list[Mapping[str, Any]]) -> None:
    """Yeses and noes, in order."""
    for one in value:
        rest = {key: content for key, content in one.items() if key not in ("approve", "reject")}
        scene.said.append(_said(rest, is_no=bool(one.get("reject"))))


def _said(one: Mapping[str, Any], *, is_no: bool) -> Said:
    """One word. What was used before, or was said under another policy, chain or content, is a word about something else."""
    if strange := set(one) - {"by", "for", "age_s", "kind", "role", *WHEREVER, *ELSEWHERE}:
        raise Unrealised(f"approvals: {', '.join(sorted(strange))}")
    kinds = {str(one.get(name, "human")) for name in ("kind", "role")}
    elsewhere = next((f"{name} {one[name]}" for name in ELSEWHERE if one.get(name)), None)
    is_service = not kinds <= {"human", "person", "operator", "approver"}
    return Said(_person(str(one["by"])), one.get("for", elsewhere), int(one.get("age_s", 0)), is_no, is_service)


def _person(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9._-]{1,32}", name):
        raise Unrealised(f"approvals: {name!r} is no name")
    return name


def spent_24h_usd(scene: Scene, value: Any) -> None:
    if Decimal(str(value)) > 0:
        scene.earlier.append(Earlier(Decimal(str(value)), age_seconds=LONG_AGO_SECONDS))


def gas_24h_usd(scene: Scene, value: Any) -> None:
    scene.earlier.append(Earlier(Decimal(0), age_seconds=LONG_AGO_SECONDS, gas_usd=Decimal(str(value))))


def pending(scene: Scene, value: list[Mapping[str, Any]]) -> None:
    """What was set aside and has not ended. Attempts at one nonce are one spending."""
    for one in value:
        if strange := set(one) - {"usd", "state", "age_s", "attempts", "same_nonce"}:
            raise Unrealised(f"pending: {', '.join(sorted(strange))}")
        state = str(one.get("state", "broadcast"))
        ended = "reverted" if state in DONE else "spent" if state in ("mined", "confirmed") else "pending"
        times = 1 if one.get("same_nonce", True) else int(one.get("attempts", 1))
        age = int(one.get("age_s", LONG_AGO_SECONDS))
        scene.earlier += [Earlier(Decimal(str(one["usd"])), ended, age)] * times


def actions_last_hour(scene: Scene, value: Any) -> None:
    """So many small plans of the hour, none of them near enough to be gathered with this one."""
    scene.earlier += [Earlier(Decimal(0), age_seconds=660 + at * ACTION_EVERY_SECONDS) for at in range(int(value))]


def reverted(scene: Scene, value: Any) -> None:
    """Earlier plans whose transaction was mined and reverted."""
    for one in value if isinstance(value, list) else [value]:
        if set(one) - {"usd", "age_s"}:
            raise Unrealised(f"reverted: {one!r}")
        scene.earlier.append(Earlier(Decimal(str(one["usd"])), "reverted", int(one.get("age_s", 1_800))))


def kill_switch(scene: Scene, value: Any) -> None:
    said = str(value.get("state", value.get("file"))) if isinstance(value, Mapping) and len(value) == 1 else str(value)
    if re.search(r"unreadable|corrupt|malformed|garbage|truncated|not readable", said):
        said = "unreadable"
    known = {"halt": "halt", "halted": "halt", "reduce_only": "reduce_only", "reduce-only": "reduce_only", "off": "", "False": ""}
    if said not in (*known, "unreadable"):
        raise Unrealised(f"kill_switch: {value!r}")
    scene.stop = known.get(said, said)


def event(scene: Scene, value: Any) -> None:
    """A restart, or a word that comes late: after the time that is named, or after all time that there is for it."""
    text = str(value)
    if "restart" in text:
        scene.restarts = True
    elif re.search(r"approv", text) and re.search(r"late|after|expir|\d", text):
        found = re.search(r"(\d+) ?(s|min|h)\b", text)
        ttl = int(scene.reference["approval"]["ttl_s"])
        seconds = int(found[1]) * UNITS[found[2]] if found is not None else ttl + 60
        scene.later.append(lambda: scene.pass_seconds(seconds))
        if not scene.said:
            scene.said += [Said(name) for name in PEOPLE if name in text]
    else:
        raise Unrealised(f"event: {text!r}")


def disk(scene: Scene, value: Mapping[str, Any]) -> None:
    """One file holds journal, reservations and intents, so whichever cannot be written, nothing is."""
    stops = {"kill_switch", "halt", "pause", "switch"} & set(value)
    if stops:
        scene.stop = "unreadable"
    if strange := set(value) - stops - {"audit", "store", "journal", "db", "state", "log", "ledger", "spend", "window"}:
        raise Unrealised(f"disk: {', '.join(sorted(strange))}")
    scene.refuses_to_write = len(value) > len(stops)


def clock(scene: Scene, value: Any) -> None:
    """The system's clock: on a private chain the wallet's time is what its blocks say, so nothing of it depends on it."""
    text = " ".join(map(str, value.values())) if isinstance(value, Mapping) else str(value)
    text = re.sub(r"\b(?:one|an?) (hour|day|minute)s?\b", lambda said: f"1 {said[1][0]}", text)
    found = re.search(r"([+-]?)(\d+) ?(s|min|m|h|d)?(?:\b|$)", text)
    if found is None or (isinstance(value, Mapping) and len(value) != 1):
        raise Unrealised(f"clock: {value!r}")
    is_back = found[1] == "-" or "back" in text or "behind" in text
    scene.clock_offset_seconds = int(found[2]) * UNITS[found[3] or "s"] * (-1 if is_back else 1)


def rpc(scene: Scene, value: Mapping[str, Any]) -> None:
    """What endpoints answer instead: by endpoint, or by method. A second endpoint is asked where the case names one."""
    for name, content in value.items():
        if name == "node_b":
            scene.second_faults = _answers(scene, content)
        elif name == "node_a":
            scene.faults |= _answers(scene, content)
        else:
            scene.faults |= _answers(scene, {name: content})


def _answers(scene: Scene, content: Any) -> dict[str, Any]:
    """What one endpoint says instead, by method; a word alone is what it says to everything."""
    found: dict[str, Any] = {}
    for name, said in (content if isinstance(content, Mapping) else {EVERYTHING: content}).items():
        if name in ("resolver", "resolve", "ens"):
            scene.resolved += list(_resolved(scene, said))
        elif str(said) in HONEST:
            continue
        elif name in ("simulation", "simulate"):
            found |= dict.fromkeys(SIMULATORS, said)
        else:
            found[name] = said
    return found


def _resolved(scene: Scene, said: Any) -> Iterator[str]:
    """The addresses that a name stands for, one for each who was asked."""
    if isinstance(said, Mapping):
        for inner in said.values():
            yield from _resolved(scene, inner)
    else:
        yield scene.address(str(said))


def sanctions_list(scene: Scene, value: Any) -> None:
    """Who is on the list besides."""
    found = value.get("contains", value.get("entries")) if isinstance(value, Mapping) else value
    found = "missing" if found is None else found
    if isinstance(value, Mapping) and set(value) - {"contains", "entries"}:
        raise Unrealised(f"sanctions_list: {value!r}")
    if found in ("unreadable", "missing", "empty", "malformed", [], 0, "0"):
        scene.list_fault = str(found) if isinstance(found, str) and found != "0" else "empty"
        return
    for entry in found if isinstance(found, list) else [found]:
        text = str(entry)
        if (changed := ONE_DIGIT.search(text)) is not None:
            address = scene.address(changed[1])
            scene.listed_addresses.append(address[:-1] + ("0" if address[-1] != "0" else "1"))
        else:
            scene.listed_addresses.append(scene.facts().address(text))


def sanctions_list_age_s(scene: Scene, value: Any) -> None:
    scene.list_age_seconds = int(value)


def quote_age_s(scene: Scene, value: Any) -> None:
    scene.plan_age_blocks = max(scene.plan_age_blocks, -(-int(value) // BLOCK_SECONDS))


def estimate(scene: Scene, value: Any) -> None:
    scene.gas_estimate = int(value)


def gas_history(scene: Scene, value: Any) -> None:
    """What an action usually burns. Where the estimate of now is far from it, so is what our contract burns."""
    usual = [int(found) for found in re.findall(r"\d{4,}", str(value).replace(" ", "").replace("_", ""))]
    if not usual:
        raise Unrealised(f"gas_history: {value!r}")
    scene.gas_usual = usual[0]


def unread_by_wallet(scene: Scene, value: Any) -> None:
    """Yields and the feeds of others: the wallet takes none of them in."""
    scene.notes.append(f"the wallet reads no yields of others ({str(value)[:60]})")


def next_step(_: Scene, value: Any) -> None:
    """Only a signature of typed data is followed by a step, and none is given here."""
    raise Unrealised(f"next_step {str(value)[:60]!r} after a transaction")
