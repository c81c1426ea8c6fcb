"""Keys and where they might show: a keystore that is open to others, secrets in variables, and every place that a case names
(tracebacks with local variables, prompts, representations, dumps, logs), searched for the key's and the password's own bytes.

Refuses to take a place on trust: each is made as the product makes it, and read."""

import json
import pickle
import re
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.chooser import INSTRUCTIONS, question_of
from agent.settings import load_settings
from agent.verify.attacks.desk import Desk, desk
from agent.verify.attacks.outcome import Input, Outcome, Probe, Runner, Setting, Unrealised
from agent.verify.attacks.premises import Premises
from strategies.errors import KeystoreUnreadable, NotApproved
from strategies.protocols.adapter import Call
from wallets import keystore, secrecy, wire
from wallets.case import Fees
from wallets.policy import policy_digest
from wallets.safe import seat_of
from wallets.wallet import Approved, Effects, Wish, approval_digest

KEYSTORE_RULE, SECRET_RULE = "keystore", "secret"
ROOT: Final = Path(__file__).resolve().parents[3]
SECONDS: Final = 60
PLANNER: Final = (
    "import sys, agent.graph, agent.chooser, agent.feed, wallets.client\n"
    "held = {'wallets.signer', 'wallets.keystore', 'wallets.live', 'eth_account'} & set(sys.modules)\n"
    "print(sorted(held), dict(__import__('os').environ), sys.argv)"
)
HARDENED: Final = (
    "import ctypes, resource\nfrom wallets.keeper import harden\nharden()\n"
    "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
)
NO_CORE: Final = "(0, 0) 0"  # no core file of any size, and nobody else may read the memory


@dataclass(frozen=True, slots=True)
class Found:
    """What a place shows."""

    place: str
    text: str


def keys_runner(at: Premises) -> Runner:
    """Makes every place once, and searches it for each case."""
    known: list[tuple[Found, ...]] = []

    def run(handed: Input, _: Setting) -> Outcome:
        said = dict(handed.content["keystore"])
        if handed.given:
            raise Unrealised(f"nobody tells a keystore {', '.join(handed.given)}")
        if mode := said.get("file_mode", said.get("mode")):
            return _opened(at, str(mode))
        if "env" in said:
            return _in_variables(at, said["env"])
        if re.search(EVENTS, event := str(said.get("event", "")), re.IGNORECASE) is None:
            raise Unrealised(f"nobody can make the event {event!r}")
        if not known:
            known.append(_every_place(at))
        return _searched(at, known[0])

    return run


def _opened(at: Premises, mode: str) -> Outcome:
    """A keystore of that mode, unlocked as a keeper does it."""
    digits = re.fullmatch(r"(?:0o?)?([0-7]{3,4})", mode)
    if digits is None:
        raise Unrealised(f"nobody knows the file mode {mode!r}")
    path = at.another().folder / "open.json"
    secrecy.write_new(path, at.keystore.read_bytes())
    path.chmod(int(digits[1], 8))
    try:
        keystore.unlock(path, at.password)
    except KeystoreUnreadable as error:
        return Outcome("reject_input", (KEYSTORE_RULE,), (str(error),), probe=_probe(at, (Found("logs", str(error)),)))
    return Outcome("allow", (), ())


def _in_variables(at: Premises, variables: Any) -> Outcome:
    """A keeper that is started with a secret in a variable, under its own name and under ours."""
    if not isinstance(variables, Mapping):
        name, _, value = str(variables).partition("=")
        variables = {name: value}
    own = {str(name): str(value) for name, value in variables.items()}
    ours = {f"USUFRUCT_WALLET__{name.rpartition('__')[2] or name}".upper(): value for name, value in own.items()}
    house = at.another()
    told = subprocess.run(
        [sys.executable, "-m", "agent", "keeper", "--config", str(house.config)],
        env={**own, **ours},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = told.stdout + told.stderr
    shown = [value for value in own.values() if len(value) >= 8 and value in said]
    is_refused = told.returncode != 0 and all(name in said for name in ours) and not shown
    found = _probe(at, (Found("logs", said), Found("http", ""), Found("prompts", _prompt(at))))
    if is_refused:
        return Outcome("reject_input", (SECRET_RULE, KEYSTORE_RULE), (said.strip()[:300],), probe=found)
    return Outcome("allow", (), (said.strip()[:300],), probe=found)


def _every_place(at: Premises) -> tuple[Found, ...]:
    house = at.another()
    with desk(house) as keeper:
        return tuple(_places(house, keeper))


def _searched(at: Premises, found: tuple[Found, ...]) -> Outcome:
    """Every place, whatever the event names: it must name something that is tried here."""
    shown = [place.place for place in found if _secrets_in(at, place.text)]
    shown += [place.place for place in found if place.place == "core" and place.text.strip() != NO_CORE]
    if shown:
        return Outcome("allow", (), (f"a secret is shown in {', '.join(dict.fromkeys(shown))}",), probe=_probe(at, found))
    reasons = (f"{len(found)} places were searched, and none shows a secret",)
    return Outcome("sanitize", (SECRET_RULE,), reasons, probe=_probe(at, found))


EVENTS: Final = (
    r"sign|malformed|exception|traceback|raise|crash|core|dump|signal|print|config|environment|prompt|repr|str\(|vars|json|pickle"
    r"|copy|log|debug|password|wrong|argv|argument|command line|process|proc|checkpoint|export|backup|memory|swap|http"
)


def _places(house: Premises, keeper: Desk) -> Iterator[Found]:
    yield from (Found("tracebacks", text) for text in _tracebacks(house, keeper))
    yield from (Found("result_or_error", text) for text in _representations(house, keeper))
    yield Found("prompts", _prompt(house))
    yield Found("logs", "\n".join(keeper.book.lines()))
    yield Found("checkpoints", "\n".join(_files(keeper.folder)))  # all that is written beside the keeper
    yield Found("http", "")  # there is no HTTP surface
    yield Found("planner", _said_by(PLANNER))
    yield Found("core", _said_by(HARDENED))


def _tracebacks(house: Premises, keeper: Desk) -> Iterator[str]:
    """Errors on the way of a signature, with the local variables of every frame, and of whatever led to them."""
    attempts: tuple[Callable[[], object], ...] = (
        *[lambda call=call: _sign(keeper, call) for call in MALFORMED],
        lambda: keystore.unlock(house.keystore, secrecy.Password(house.password + "!")),
        lambda: keystore.unlock(house.config, house.password),
        lambda: pickle.dumps(keeper.parts.signer),
    )
    for attempt in attempts:
        try:
            attempt()
        except (NotApproved, KeystoreUnreadable, TypeError, ValueError, OverflowError) as error:
            yield from _with_locals(error)


MALFORMED: Final = (
    Call("0x12", b""),
    Call("not an address", b""),
    Call("0x" + "11" * 20, b"", value_wei=2**256),
    Call("0x" + "11" * 20, b"", value_wei=-1),
)


def _with_locals(error: BaseException) -> Iterator[str]:
    """An error as the most talkative printer shows it, its hidden context too; without this harness's own frames."""
    seen: BaseException | None = error
    while seen is not None:
        trace = traceback.TracebackException.from_exception(seen, capture_locals=True)
        own = [frame for frame in trace.stack if Path(frame.filename) != Path(__file__)]
        yield "".join([f"{frame.name}: {frame.line}\n{frame.locals}\n" for frame in own]) + repr(seen)
        seen = seen.__context__ or seen.__cause__


def _sign(keeper: Desk, call: Call) -> object:
    """The signer's own way, with a digest that fits: only the transaction is wrong."""
    policy, effects = keeper.parts.policy, Effects((), (), (0,), 0, 0)
    digest = approval_digest(
        chain_id=policy.chain_id,
        account=policy.account,
        calls=(call,),
        effects=effects,
        intent="odd",
        policy_digest=policy_digest(policy),
        expiry=2**40,
    )
    return keeper.parts.signer.sign(
        _approved_text(call, effects, digest),
        index=0,
        nonce=0,
        fees=Fees(1, 1, (21_000,)),
        gas_limit=21_000,
        policy_digest=policy_digest(policy),
        chain_id=policy.chain_id,
        seat=seat_of(policy),
    )


def _approved_text(call: Call, effects: Effects, digest: str) -> Approved:
    """A yes that nobody said, as a forger would write it down: only the guard builds one."""
    said = {"intent": "odd", "calls": wire.plain((call,)), "effects": wire.plain(effects), "digest": digest, "is": "Approved"}
    rest = {"block": 0, "expiry": 2**40, "spend_usd_e8": 0, "people": 1, "moves": [], "wish": wire.plain(Wish())}
    return wire.from_text(Approved, wire.canonical({**said, **rest}))


def _representations(house: Premises, keeper: Desk) -> Iterator[str]:
    """Every way that Python offers to make text of an object, of every object that has the key in reach."""
    settings = load_settings(house.config, {})
    ways: tuple[Callable[[Any], object], ...] = (repr, str, ascii, vars, dir, _as_json, pickle.dumps, _slots, format)
    for subject in (keeper.parts.signer, keeper.parts, keeper.keeper, keeper.book, settings, keeper.charter.terms):
        for way in ways:
            try:
                yield str(way(subject))
            except (TypeError, AttributeError, ValueError, pickle.PicklingError) as error:
                yield repr(error)


def _as_json(subject: object) -> str:
    return json.dumps(subject, default=str)


def _slots(subject: object) -> str:
    """What a shallow inspector prints: the public attributes of an object."""
    with warnings.catch_warnings(action="ignore"):  # some attributes of models warn that they are old
        return str({name: getattr(subject, name, None) for name in dir(subject) if not name.startswith("_")})


def _prompt(house: Premises) -> str:
    """What a model is told when it is asked, whatever it would like to hear."""
    table = [{"market": market["id"], "asset": market["asset"]} for market in house.deployment["markets"]]
    return INSTRUCTIONS + question_of(("lending_rotation",), ("balanced",), table)


def _files(folder: Path) -> Iterator[str]:
    """Every file beside the keeper, but for keys that are locked."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.read_bytes().decode("latin-1")


def _said_by(program: str) -> str:
    """What a process of its own says."""
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={}, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return told.stdout + told.stderr


def _secrets_in(at: Premises, text: str) -> bool:
    key: bytes = bytes(getattr(at.signer, "_Signer__account").key)  # noqa: B009  (what nobody but this search may do)
    forms = (key.hex(), str(int.from_bytes(key, "big")), key.decode("latin-1"), repr(key)[2:-1], at.password)
    return any(form in text for form in forms)


def _probe(at: Premises, found: tuple[Found, ...]) -> Probe:
    """What places show, by their names in the catalogue."""

    def probe(item: str) -> str | None:
        word, _, place = item.partition(":")
        if word == "no_secret_in":
            texts = [one.text for one in found if one.place == place]
            return None if not texts else "a secret stands in it" if any(_secrets_in(at, text) for text in texts) else ""
        if item == "key_not_in_planner_process":
            said = next((one.text for one in found if one.place == "planner"), _said_by(PLANNER))
            return "" if said.startswith("[]") and not _secrets_in(at, said) else f"its process has {said[:80]}"
        if item == "nothing_signed":
            return ""
        return None

    return probe
