"""A person's stops: halt, reduce only, go on, take everything out, take every allowance back. None of them needs the console or
the planner. Refuses to lift a stop without an operator's signature, and to leave a market by any other way than the keeper's:
each plan is judged, simulated, shown, agreed to and signed like any other."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from agent.cli import tables
from agent.cli.keys import known_password
from agent.cli.policy import in_force
from agent.cli.run import keeper_of, new_cycle
from agent.cli.session import Session, opened
from agent.settings import Settings, load_settings
from strategies.domain import NATIVE, Address, Plan, Revoke, written
from strategies.errors import KeeperUnreachable, NotApproved, SettingsError, StaleReading
from strategies.protocols import registry
from strategies.tape import Observation, tape_of
from strategies.unwind import Step, actions_of, plans, unwinding
from wallets import evidence, journal, operators
from wallets import pause as stops
from wallets import reading as blocks
from wallets.client import KeeperClient, socket_path
from wallets.ledger import entries_of
from wallets.wallet import Allowance, Approved, Refused, Yes

TRIES: Final = 3  # of one market in one run: what it can pay may grow, but not without end
ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
MAX_REVOCATIONS: Final = 32  # of one plan: the keeper takes 64 calls, and the simulator should not be asked for all of them


@dataclass(frozen=True, slots=True)
class Person:
    """An operator whose key is unlocked once for all plans of a command; `asked` before each signature, or not."""

    says_yes: Callable[[Approved], Yes]
    asked: bool


def person(settings: Settings, name: str, key_file: Path, password_file: Path | None, *, asked: bool) -> Person:
    """An operator of these settings. Raises KeystoreUnreadable."""
    key = operators.unlock(key_file, known_password(password_file, f"operator {name}"))
    return Person(lambda verdict: operators.sign_yes(key, name, verdict, policy=in_force(settings)), asked)


def pause(config: Path, reason: str) -> None:
    """Nothing is signed from now on but revocations."""
    settings = load_settings(config, {})
    found = stops.put_pause(_folder(settings), reason)
    _seen_by_the_keeper(settings)
    tables.say(f"paused ({found.reason}); `usufruct resume` needs an operator's signature")


def reduce_only(config: Path, reason: str) -> None:
    """Nothing is signed from now on but what reduces risk; a halt that is there stays."""
    settings = load_settings(config, {})
    found = stops.put_reduce_only(_folder(settings), reason)
    _seen_by_the_keeper(settings)
    halted = "; the halt that was there holds too" if stops.read_held(settings.wallet.folder).halted else ""
    tables.say(f"paused ({found.reason}){halted}; `usufruct resume` needs an operator's signature")


def resume(config: Path, *, operator: str, key_file: Path, password_file: Path | None) -> None:
    """Signs the end of the strictest stop that is in force, and of no other; it ends when as many have as the policy asks for."""
    settings = load_settings(config, {})
    folder = settings.wallet.folder
    found = stops.read_pause(folder) or stops.read_reduce_only(folder)
    if found is None:
        tables.say("nothing is paused")
        return
    key = operators.unlock(key_file, known_password(password_file, f"operator {operator}"))
    statement, policy = operators.sign_resume(key, operator, found.id), in_force(settings)
    if wrong := operators.check_resume(policy, statement, found.id):
        raise NotApproved(f"{wrong}; the pause goes on")
    ended = {*stops.ended_by(folder, policy, found.id), operator}
    stops.put_resume(folder, statement)
    tables.say(f"signed the end of the pause ({found.reason}); the keeper checks it before it signs anything again")
    if (left := policy.people.resume_people - len(ended)) > 0:
        tables.say(f"still paused: {left} more of the operators must sign its end")
        return
    below = stops.read_reduce_only(folder)
    if below is not None and below.id != found.id:
        tables.say(f"still paused ({below.reason}): it has an end of its own")


def unwind(config: Path, *, operator: str, key_file: Path, password_file: Path | None, asked: bool) -> bool:
    """Everything out of every market, under reduce-only; whether nothing stayed. Raises NotApproved while all is halted."""
    with opened(config) as session:
        folder = _folder(session.settings)
        if stops.read_reduce_only(folder) is None:
            stops.put_reduce_only(folder, "unwinding")
            tables.say("paused (reduce-only): nothing goes back in until an operator resumes")
        _seen_by_the_keeper(session.settings)
        if halted := stops.read_held(folder).halted:
            raise NotApproved(f"paused: {halted}; end the halt by `usufruct resume`, reduce-only stays in force under it")
        keeper = keeper_of(session.settings, config)
        left = _taken_out(session, keeper, person(session.settings, operator, key_file, password_file, asked=asked))
        for why in left:
            tables.say(f"  {why}", "red")
        for amount in look(session).portfolio.idle:
            if amount.raw:
                tables.say(f"  idle: {written(amount)}")
        tables.say("not everything is out" if left else "everything is idle", "bold")
        tables.say("reduce-only holds until `usufruct resume`; `usufruct revoke` takes what allowances are left", "dim")
        return not left


def revoke(
    config: Path, spenders: Sequence[str], *, operator: str, key_file: Path, password_file: Path | None, asked: bool
) -> bool:
    """Every allowance of a listed token to any contract of a market, or to the spenders given; whether none is left. Allowed
    under every pause. Raises SettingsError."""
    named = [spender.lower() for spender in spenders]
    if wrong := [spender for spender in spenders if ADDRESS.fullmatch(spender) is None]:
        raise SettingsError(f"--spender: {wrong[0]!r} is no address; write 0x and forty hexadecimal digits")
    with opened(config) as session:
        found = standing(session, named)
        if not found:
            tables.say("nobody may take anything")
            return True
        keeper = keeper_of(session.settings, config)
        ours = person(session.settings, operator, key_file, password_file, asked=asked)
        by_address = {asset.address: asset for asset in session.deployment.assets}
        revokes = tuple([Revoke(by_address[one.token], one.spender) for one in found])
        for first in range(0, len(revokes), MAX_REVOCATIONS):
            _revoked(session, keeper, ours, revokes[first : first + MAX_REVOCATIONS])
        still = standing(session, named)
        for one in still:
            tables.say(f"  {one.spender} may still take {one.raw} of {by_address[one.token].symbol}", "red")
        if not still:
            tables.say("nobody may take anything any more", "bold")
        return not still


def standing(session: Session, spenders: Sequence[Address]) -> tuple[Allowance, ...]:
    """Every allowance of ours in a listed token, to any contract that a market names, and to the spenders given."""
    contracts = [address for market in session.deployment.markets for _, address in market.contracts]
    known = dict.fromkeys([*contracts, session.deployment.multicall, *spenders])  # the markets themselves are always asked about
    token = next(asset for asset in session.deployment.assets if asset.address != NATIVE)
    account = session.settings.policy.account
    named = [registry.encode(Revoke(token, spender), account)[0] for spender in known if spender != account]
    return evidence.standing_allowances(session.endpoint, session.deployment, account, named)


def look(session: Session) -> Observation:
    """The block as it is now, by the chain alone: no exchange and no memory stands in the way out. Raises StaleReading."""
    reading, portfolio = blocks.read(session.endpoint, session.deployment, session.settings.policy.account)
    age_seconds, limit_seconds = session.endpoint.now() - reading.timestamp, session.settings.policy.max_reading_age_seconds
    if age_seconds > limit_seconds:
        raise StaleReading(age_seconds=age_seconds, limit_seconds=limit_seconds)
    return Observation(tape_of(session.deployment, (reading,)), 0, session.settings.policy.account, portfolio)


def _revoked(session: Session, keeper: KeeperClient, ours: Person, revokes: tuple[Revoke, ...]) -> None:
    """All in one plan; where that is refused, each alone, so that one token which reverts keeps no other allowance."""
    seen = look(session)
    verdict = _judged(session, keeper, seen, Plan(revokes, seen.block, "a person takes allowances back"))
    if isinstance(verdict, Approved):
        _carried_out(session, keeper, ours, verdict, seen)
    elif len(revokes) == 1:
        tables.refusal(verdict.reasons)
    else:
        for one in revokes:
            _revoked(session, keeper, ours, (one,))


def _taken_out(session: Session, keeper: KeeperClient, ours: Person) -> tuple[str, ...]:
    """Plan after plan until no step is left that the keeper lets pass; what stays, and why. A plan that is refused is tried in
    its single steps, so that one market which is shut keeps no other."""
    tries, refused = Counter[str](), dict[str, str]()
    while True:
        seen = look(session)
        found = unwinding(seen)
        steps = [step for step in found.steps if step.market.id not in refused and tries[step.market.id] < TRIES]
        packed = plans(steps, session.settings.policy.max_calls)
        if not packed:
            return (*found.left, *[f"{market_id} stays: {why}" for market_id, why in refused.items()])
        verdict, taken = _first_that_passes(session, keeper, seen, packed[0], refused)
        if verdict is None:
            continue
        if not _carried_out(session, keeper, ours, verdict, seen):
            return ("a person said no to the plan above",)
        tries.update({step.market.id for step in taken})


def _first_that_passes(
    session: Session, keeper: KeeperClient, seen: Observation, steps: tuple[Step, ...], refused: dict[str, str]
) -> tuple[Approved | None, tuple[Step, ...]]:
    """The verdict on all of the steps, else on the first that passes alone; those that do not are remembered as refused."""
    reason = "a person takes everything out"
    whole = _judged(session, keeper, seen, Plan(actions_of(steps), seen.block, reason))
    if isinstance(whole, Approved):
        return whole, steps
    verdicts = [(steps[0], whole)] if len(steps) == 1 else []
    for step in steps if len(steps) > 1 else ():
        verdict = _judged(session, keeper, seen, Plan(step.actions, seen.block, reason))
        if isinstance(verdict, Approved):
            return verdict, (step,)
        verdicts.append((step, verdict))
    for step, verdict in verdicts:
        refused[step.market.id] = "; ".join([f"{reason.rule}: {reason.text}" for reason in verdict.reasons])
    return None, ()


def _judged(session: Session, keeper: KeeperClient, seen: Observation, plan: Plan) -> Approved | Refused:
    """The keeper's verdict, under a new intent that the journal knows what it was seen with."""
    intent = new_cycle()
    verdict = keeper.judge(plan, intent)
    for kind, content in (
        ("observation", journal.observation_content(seen)),
        ("verdict", journal.verdict_content(verdict)),
    ):
        session.journal.append(kind, seen.timestamp, {"cycle": intent, **content})
    return verdict


def _carried_out(session: Session, keeper: KeeperClient, ours: Person, verdict: Approved, seen: Observation) -> bool:
    """Shown, agreed to, signed, done as far as it goes, and written down; False where the person says no. Raises NotApproved
    where the yes is none."""
    account, policy = session.settings.policy.account, in_force(session.settings)
    tables.say(f"plan {verdict.intent}", "bold")
    actions = [registry.parse(call, account, session.deployment) for call in verdict.calls]
    tables.verdict(verdict, actions, session.deployment)
    if ours.asked and not typer.confirm("Say yes to exactly this?"):
        session.journal.append("held", seen.timestamp, {"cycle": verdict.intent, "reason": "a person said no"})
        return False
    yes = ours.says_yes(verdict)
    if wrong := operators.check_yes(policy, yes, verdict.digest):
        raise NotApproved(wrong)
    try:
        receipt = keeper.execute(verdict, (yes,))
    except NotApproved as error:  # the world has moved since: the next look plans anew
        session.journal.append("held", seen.timestamp, {"cycle": verdict.intent, "reason": str(error)})
        tables.say(f"    {error}", "red")
        return True
    with session.store.transaction():
        session.journal.append("receipt", seen.timestamp, {"cycle": verdict.intent, **journal.receipt_content(receipt)})
        for entry in entries_of(receipt, session.deployment, account, seen.timestamp, policy.treasury):
            session.journal.append("entry", seen.timestamp, {"cycle": verdict.intent, **journal.entry_content(entry)})
    tables.receipt(receipt)
    return True


def _folder(settings: Settings) -> Path:
    settings.wallet.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings.wallet.folder


def _seen_by_the_keeper(settings: Settings) -> None:
    """A keeper that runs has seen a stop once it answers; the file alone stops one that starts later."""
    client = KeeperClient(socket_path(settings.wallet.folder), account=settings.policy.account, timeout_seconds=10)
    with suppress(KeeperUnreachable):
        client.status()
