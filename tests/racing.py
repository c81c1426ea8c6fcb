"""Several processes that each own a live wallet over one store and one key, as no house should have them: who wins, what is left.

A keeper's lock keeps such wallets apart. Here there is no lock, so that what the store alone holds is seen."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

from eth_account import Account

from strategies.domain import Amount, Deployment, Plan, Supply, Swap
from strategies.errors import IncompleteRead, NonceGap, NotApproved, ReceiptTimeout, StoreUnwritable
from strategies.protocols.registry import deployment_from
from tests.wallets.chain import USDC, policy_for
from tests.wallets.live_parts import ACCOUNT, KEY, OPERATOR, yes
from wallets import endpoints, evidence, sending, wire
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.live import LiveWallet
from wallets.pause import Held
from wallets.sending import Halts, Parts
from wallets.signer import Signer
from wallets.store import Intent, Signed, Store
from wallets.wallet import Approved, Receipt, Refused, Verdict

STORE: Final = "keeper.sqlite"
STATES: Final = ("planned", "signed", "sent", "mined", "failed", "dropped")
WAIT_SECONDS: Final = 60.0
TRIES: Final = 40
DEADLINE_SECONDS: Final = 600
# Another process was first, or the node answered in part while a block was mined, which the wallet does not build on:
NOT_YET: Final = (NonceGap, ReceiptTimeout, StoreUnwritable, IncompleteRead)  # asked again it goes on


@dataclass(frozen=True, slots=True)
class Ground:
    """What each process is told; it crosses to another process."""

    url: str
    deployment: dict[str, Any]
    folder: Path
    limits: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A plan of one action: so many dollars lent, or given for at least so much wrapped ether."""

    intent: str
    market_id: str
    whole: int
    least_wei: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What one process got for one plan: "mined", or the rule or the class of what it was refused for."""

    intent: str
    ending: str
    note: str = ""
    signatures: int = 0  # that its key gave, stored or not


class Counted:
    """A signer that counts what it signs."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.address = signer.address
        self.signatures = 0

    def sign(self, *given: Any, **named: Any) -> Any:
        self.signatures += 1
        return self._signer.sign(*given, **named)


def parts_over(ground: Ground, store: Store) -> Parts:
    """A live wallet's parts; nothing halts it."""
    deployment = deployment_from(ground.deployment)
    signer: Any = Counted(Signer(Account.from_key(KEY)))
    return Parts(
        policy=policy_for(ACCOUNT, deployment, OPERATOR, **ground.limits),
        deployment=deployment,
        endpoint=Endpoint(ground.url, timeout_seconds=30),
        store=store,
        journal=Journal(store),
        signer=signer,
        halts=Halts(lambda: Held("", ""), lambda: False),
        patience_seconds=5,
    )


def counted(parts: Parts) -> Counted:
    """The signer of these parts, as what it is here."""
    signer: Any = parts.signer
    assert isinstance(signer, Counted)
    return signer


@contextmanager
def opened(ground: Ground) -> Iterator[Parts]:
    """The same, until the end of the block."""
    with Store(ground.folder / STORE) as store:
        yield parts_over(ground, store)


def plan_of(wanted: Wanted, deployment: Deployment, endpoint: Endpoint) -> Plan:
    """The plan as of the latest block."""
    seen = endpoint.read_header()
    market = next(market for market in deployment.markets if market.id == wanted.market_id)
    given = Amount(deployment.asset("USDC"), wanted.whole * USDC)
    if not wanted.least_wei:
        return Plan((Supply(market, given),), seen.number, "to earn")
    least = Amount(deployment.asset("WETH"), wanted.least_wei)
    return Plan((Swap(market, given, least, seen.timestamp + DEADLINE_SECONDS),), seen.number, "to trade")


def judged(wallet: LiveWallet, parts: Parts, one: Wanted) -> Verdict:
    """The verdict on a plan as of the latest block, once the node has answered all that was asked."""
    for _ in range(TRIES):
        try:
            return wallet.judge(plan_of(one, parts.deployment, parts.endpoint), one.intent)
        except IncompleteRead:
            time.sleep(0.02)
    raise AssertionError(f"the node never answered all that was asked for {one.intent}")


def carried_out(wallet: LiveWallet, intent: str, approved: Approved) -> Said:
    """Executed with a person's yes, and asked again while another process is in the way."""
    why = ""
    for _ in range(TRIES):
        try:
            receipt = wallet.execute(approved, yes(approved))
        except NotApproved as error:
            return Said(intent, error.rule, error.why)
        except NOT_YET as error:
            why = str(error)
            time.sleep(0.02)
        else:
            return Said(intent, "mined" if receipt.complete else "ended early", receipt.note)
    return Said(intent, "not yet", why)


class Gate:
    """Where all wait that have judged a plan and are about to begin it, so that each judged before any other has begun. A process
    whose plan does not come so far passes by itself."""

    def __init__(self, begin: Barrier) -> None:
        self._begin, self._nonces, self.closed = begin, sending.agreed_nonces, False
        vars(sending)["agreed_nonces"] = self.nonces

    def nonces(self, parts: Parts) -> tuple[int, int | None]:
        """What the wallet asks last before it begins."""
        self.passed()
        return self._nonces(parts)

    def passed(self) -> None:
        if self.closed:
            self.closed = False
            self._begin.wait(WAIT_SECONDS)


def clocks_are_off(skew_seconds: int) -> None:
    """Of this process alone."""
    right = endpoints.clock

    def clock(chain_id: int, block_timestamp: int) -> int:
        return right(chain_id, block_timestamp) + skew_seconds

    for module in (endpoints, evidence):
        vars(module)["clock"] = clock


def racer(ground: Ground, skew_seconds: int, wanted: Sequence[Wanted], begin: Barrier, said: "Queue[Said]") -> None:
    """Judges each plan at the same moment as the others, and then begins it at the same moment. Its clock is off."""
    clocks_are_off(skew_seconds)
    gate = Gate(begin)
    with opened(ground) as parts:
        wallet, signer = LiveWallet(parts), counted(parts)
        for one in wanted:
            before = signer.signatures
            begin.wait(WAIT_SECONDS)
            verdict = judged(wallet, parts, one)
            gate.closed = True
            begin.wait(WAIT_SECONDS)
            if isinstance(verdict, Refused):
                ended = Said(one.intent, verdict.reasons[0].rule, verdict.reasons[0].text)
            else:
                ended = carried_out(wallet, one.intent, verdict)
            gate.passed()
            said.put(replace(ended, signatures=signer.signatures - before))


def replayer(ground: Ground, approved: str, times: int, begin: Barrier, said: "Queue[Said]") -> None:
    """One yes, given again and again."""
    with opened(ground) as parts:
        wallet, signer, one = LiveWallet(parts), counted(parts), wire.from_text(Approved, approved)
        begin.wait(WAIT_SECONDS)
        for _ in range(times):
            before = signer.signatures
            ended = carried_out(wallet, one.intent, one)
            said.put(replace(ended, signatures=signer.signatures - before))


def all_at_once(target: Any, each: Sequence[tuple[Any, ...]], answers: int) -> list[Said]:
    """Processes that begin together, and everything they said."""
    context = multiprocessing.get_context("spawn")
    begin, said = context.Barrier(len(each)), context.Queue()
    processes = [context.Process(target=target, args=(*arguments, begin, said)) for arguments in each]
    for process in processes:
        process.start()
    try:
        found = [said.get(timeout=WAIT_SECONDS) for _ in range(answers)]
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()
            process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)
    return found


def raced(ground: Ground, wanted: Sequence[Sequence[Wanted]], skews_seconds: Sequence[int]) -> list[Said]:
    """One list of plans a process."""
    each = [(ground, skew_seconds, plans) for skew_seconds, plans in zip(skews_seconds, wanted, strict=True)]
    return all_at_once(racer, each, sum(map(len, wanted)))


def settled(ground: Ground) -> None:
    """What was left half done is looked after, as an idle keeper does, until nothing is."""
    with opened(ground) as parts:
        wallet = LiveWallet(parts)
        for _ in range(TRIES):
            left = wallet.unfinished()
            if not left:
                return
            for found in left:
                wallet.look_after(found.intent)
            time.sleep(0.02)
    raise AssertionError(f"plans stay unfinished: {left}")


def endings(said: Sequence[Said]) -> Counter[str]:
    return Counter([one.ending for one in said])


def known(ground: Ground) -> list[Intent]:
    """Every plan that the store has, revocations too."""
    with Store(ground.folder / STORE) as store:
        return [found for state in STATES for found in store.intents(state)]


def receipts(ground: Ground) -> list[Receipt]:
    """Every plan's own, from the store."""
    return [wire.from_text(Receipt, found.receipt) for found in known(ground) if found.receipt]


def transactions(ground: Ground) -> list[Signed]:
    """Everything that was signed and kept."""
    intents = known(ground)
    with Store(ground.folder / STORE) as store:
        return [signed for found in intents for signed in store.signed(found.intent)]
