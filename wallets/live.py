"""The wallet that moves real value: judged, asked for, judged again, recorded, signed, recorded, sent, awaited, recorded.
Refuses what its own store does not remember as approved, what no enrolled operator said yes to, and everything twice."""

import time
from dataclasses import replace
from typing import Final

from strategies.domain import Action, Plan, Revoke
from strategies.errors import KeeperEnding, NonceGap, NotApproved, ProtocolError, ReceiptTimeout
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from strategies.units import MAX_UINT256, USD_E8
from wallets import evidence, guard, intake, operators, safe, second, sending, settling, wire
from wallets.case import Case, gas_usd_e8, reduces, revokes, spend_usd_e8
from wallets.evidence import Asked
from wallets.foreign import quoted
from wallets.journal import receipt_content, verdict_content
from wallets.people import moves_of, people_needed
from wallets.receipts import burnt_usd_e8, moved_nothing, receipt_of
from wallets.sending import UNSETTLED, Parts
from wallets.settling import Fate
from wallets.store import Intent, Signed
from wallets.wallet import OWN_FEES, Allowance, Approved, No, Reason, Receipt, Refused, Stated, Verdict, Wish, Yes

BEGUN: Final = "signed"  # a transaction of the intent may exist
REVOCATION: Final = "/revoke/"  # between an intent and the number of a revocation that closed it
OVERTAKEN_SECONDS: Final = 60.0  # one endpoint may hide a receipt: a used nonce is believed once it was said for so long


class LiveWallet:
    """One account on one chain."""

    __slots__ = ("_noted", "_overtaken", "_parts")

    def __init__(self, parts: Parts) -> None:
        if parts.signer.address != (named := safe.sender(safe.seat_of(parts.policy))):
            raise NotApproved(f"the keystore is of {parts.signer.address}; the policy names {named}")
        self._parts: Final = parts
        self._noted: Final[dict[str, str]] = {}  # an intent, and why it was last said to be unsettled
        self._overtaken: Final[dict[str, float]] = {}  # a transaction's hash, and since when its nonce is used by another

    def judge(self, plan: Plan, intent: str) -> Verdict:
        """The verdict on a plan's own calls."""
        try:
            calls = tuple([call for action in plan.actions for call in registry.encode(action, self._parts.policy.account)])
        except ProtocolError as error:
            return Refused(intent, (Reason("encodable", str(error)),))
        return self.judge_calls(calls, intent=intent, plan_block=plan.block, reason=plan.reason)

    def judge_calls(
        self,
        calls: tuple[Call, ...],
        *,
        intent: str,
        plan_block: int,
        reason: str,
        stated: tuple[Stated, ...] = (),
        wish: Wish = OWN_FEES,
    ) -> Verdict:
        """The verdict on exact bytes; a yes is remembered. Raises IncompleteRead, EndpointUnusable, StoreUnwritable."""
        parts = self._parts
        if unheard := tuple(intake.faults(intent, calls, stated)):
            return Refused(intent[:128], unheard)
        said = {"reason": quoted(reason), "stated": wire.plain(stated)}
        asked = {"intent": intent, "calls": wire.plain(calls), "block": plan_block, **said}
        parts.note("judge", parts.endpoint.now(), asked)
        known = parts.store.intent(intent)
        if known is not None:
            return self._again(known, calls)
        return self._judged(intent, calls, plan_block, stated=stated, wish=wish)

    def _judged(
        self, intent: str, calls: tuple[Call, ...], plan_block: int, *, stated: tuple[Stated, ...], wish: Wish
    ) -> Verdict:
        """The guard's word on what was gathered, written down; what changed code kept from being read is refused for that."""
        try:
            case = self._gather(intent, calls, plan_block, standing=self._standing(calls), wish=wish)
        except NotApproved as error:
            refused = Refused(intent, (Reason(error.rule, error.why),))
            self._parts.note("verdict", self._parts.endpoint.now(), verdict_content(refused))
            return refused
        verdict = guard.judge(replace(case, stated=stated))
        self._remember(verdict, case)
        return verdict

    def execute(self, approved: Approved, approvals: tuple[Yes, ...]) -> Receipt:
        """What the store remembers under this intent and digest. Raises NotApproved and any WalletError on the way."""
        return self.execute_remembered(approved.intent, approved.digest, approvals)

    def execute_remembered(self, intent: str, digest: str, approvals: tuple[Yes, ...]) -> Receipt:
        """The same, told only the name of what was approved: bytes come from the store and from nowhere else."""
        known = self._parts.store.intent(intent) if intake.is_intent(intent) else None
        if known is None or known.digest != digest:
            raise NotApproved(f"nothing is remembered as approved under intent {intent} and this digest", "plan")
        if known.receipt is not None:
            return wire.from_text(Receipt, known.receipt)
        approved = wire.from_text(Approved, known.verdict)
        if known.state == "dropped":
            raise NotApproved("an operator rejected it, and a rejection is final; give a new plan a new intent")
        first = self._begin(approved, approvals) if known.state == "planned" else None
        return self._carry_out(approved, first)

    def reject(self, no: No) -> Refused:
        """An operator's no to what is remembered and not begun: final, whoever says yes later. Raises NotApproved."""
        parts = self._parts
        known = parts.store.intent(no.intent) if intake.is_intent(no.intent) else None
        if known is None or known.digest != no.digest:
            raise NotApproved(f"nothing is remembered as approved under intent {no.intent} and this digest", "plan")
        if wrong := operators.check_no(parts.policy, no):
            raise NotApproved(wrong)
        with parts.store.transaction():
            if not parts.store.claim(no.intent, "planned", "dropped"):
                raise NotApproved("this intent was begun, ended or rejected before", "plan")
            parts.note("rejected", parts.endpoint.now(), {"intent": no.intent, "digest": no.digest, "operator": no.operator})
        return Refused(no.intent, (Reason("approval", f"{no.operator} rejected it"),))

    def look_after(self, intent: str) -> None:
        """One plan that was left: its transactions by hash and nonce first, then its end where it cannot go on. Waits for
        nothing: what has not ended yet is looked at again."""
        known = self._parts.store.intent(intent)
        if known is None or known.state != BEGUN:
            return
        approved = wire.from_text(Approved, known.verdict)
        try:
            self._settle_old(approved)
            if self._is_over(approved) or self._why_not_on(approved):
                LiveWallet(replace(self._parts, patience_seconds=0))._carry_out(approved, None)
        except (ReceiptTimeout, NonceGap) as error:
            self.note_unsettled(intent, str(error))

    def note_unsettled(self, intent: str, why: str) -> None:
        """Written down once, however often it is looked at."""
        if self._noted.get(intent) != why:
            self._parts.note("unsettled", int(time.time()), {"intent": intent, "why": why})
            self._noted[intent] = why

    def unfinished(self) -> tuple[Intent, ...]:
        """What was begun and has no receipt, revocations first."""
        return tuple(sorted(self._parts.store.intents(BEGUN), key=lambda known: REVOCATION not in known.intent))

    def _again(self, known: Intent, calls: tuple[Call, ...]) -> Verdict:
        """An intent is approved once: asked again, it gets the same yes while that holds, and a no for anything else."""
        remembered = wire.from_text(Approved, known.verdict)
        if remembered.calls == calls and known.state == "planned" and self._parts.endpoint.now() <= known.expiry:
            return remembered
        return Refused(known.intent, (Reason("intent", f"{known.intent} was judged before; give a new plan a new intent"),))

    def _gather(
        self,
        intent: str,
        calls: tuple[Call, ...],
        plan_block: int | None,
        *,
        standing: tuple[Allowance, ...],
        wish: Wish = OWN_FEES,
    ) -> Case:
        parts, held = self._parts, self._parts.halts.paused()
        asked = Asked(intent, calls, plan_block, held, standing, wish)
        case = self._with_books(evidence.gather(parts.endpoint, parts.policy, parts.deployment, asked))
        return case if parts.second is None else replace(case, objections=second.objections(parts.second, case))

    def _with_books(self, case: Case) -> Case:
        """A case with what the store now knows of the day: other plans' spending and every plan's moves."""
        store, now = self._parts.store, self._parts.endpoint.now()
        spent, own = store.spent(now), store.reserved(case.intent)
        return replace(
            case,
            spent_day_usd_e8=spent.usd_e8 - own.usd_e8,
            gas_day_usd_e8=spent.gas_usd_e8 - own.gas_usd_e8,
            past=store.moves(now),
        )

    def _remember(self, verdict: Verdict, case: Case) -> None:
        parts = self._parts
        with parts.store.transaction():
            parts.note("verdict", case.now, verdict_content(verdict))
            if isinstance(verdict, Approved):
                parts.store.add_intent(
                    intent=verdict.intent,
                    digest=verdict.digest,
                    calls=wire.canonical(wire.plain(verdict.calls)),
                    verdict=wire.to_text(verdict),
                    created_at=case.now,
                    expiry=verdict.expiry,
                )

    def _begin(self, approved: Approved, approvals: tuple[Yes, ...]) -> Case:
        """Agreed to by a person, judged again, reserved and claimed, all before a signature. Raises NotApproved."""
        parts = self._parts
        self._refuse_if_ending(approved)
        standing = self._standing(approved.calls)
        case = self._gather(approved.intent, approved.calls, approved.block, standing=standing, wish=approved.wish)
        people = max(approved.people, people_needed(case))
        said_yes = operators.consenting(parts.policy, approvals, digest=approved.digest, people=people)
        if case.now > approved.expiry:
            raise NotApproved(f"the approval expired {case.now - approved.expiry} s ago; ask for a new verdict")
        self._insist(case)
        try:
            sending.agreed_nonces(parts)
        except NonceGap as error:  # nothing of it was begun, so this is a clear no
            raise NotApproved(str(error), "nonce") from None
        with parts.store.transaction():
            booked = self._with_books(case)  # nobody else spends between this and the reservation
            self._refuse(guard.judge(booked))
            operators.consenting(parts.policy, approvals, digest=approved.digest, people=people_needed(booked))
            said = {"intent": approved.intent, "digest": approved.digest, "operators": said_yes}
            parts.note("execute", case.now, said)
            self._claim(approved, case)
            if not parts.store.use_approval(digest=approved.digest, operator=",".join(said_yes), at=case.now):
                raise NotApproved("this approval was used before")
        return case

    def _claim(self, approved: Approved, case: Case) -> None:
        """Spending set aside, pending plans counted, and the plan begun by nobody else. Raises NotApproved."""
        store, policy = self._parts.store, self._parts.policy
        if not store.claim(approved.intent, "planned", BEGUN):
            raise NotApproved("this intent was begun, ended or rejected before", "plan")
        reserved = store.reserve(
            intent=approved.intent,
            usd_e8=spend_usd_e8(case),
            gas_usd_e8=gas_usd_e8(case) or 0,
            now=case.now,
            max_day_usd_e8=policy.max_day_usd * USD_E8,
            max_day_gas_usd_e8=MAX_UINT256 if case.only_revokes else policy.max_day_gas_usd * USD_E8,
            moves=tuple(moves_of(case)),
        )
        if not reserved:
            raise NotApproved("the day's cap is used up by other plans", "cap-day")

    def _carry_out(self, approved: Approved, first: Case | None) -> Receipt:
        """Every call that is not yet mined, then the receipt. A plan that cannot go on is closed and its allowances revoked."""
        note = ""
        for index in range(len(approved.calls)):
            try:
                note = self._step(approved, index, first if index == 0 else None)
            except NotApproved as error:
                note = error.why
            if note:
                break
        return self._close(approved, note)

    def _step(self, approved: Approved, index: int, case: Case | None) -> str:
        """One call to its end; empty where it succeeded, else why the plan ends here. Raises NotApproved, ReceiptTimeout."""
        parts = self._parts
        sent = next((signed for signed in parts.store.signed(approved.intent) if signed.call == index), None)
        if sent is None:
            if why := self._why_over(approved):
                return why
            case = case or self._rejudged(approved, index)
            if why := self._why_not_on(approved, case):  # last of all, so that a stop is obeyed up to the signature
                return why
            self._refuse_if_ending(approved)
            sent = sending.sign(parts, approved, index, case)
        if sent.state == "signed" and (why := self._why_not_on(approved, case)):  # signed bytes do not leave after a stop
            return f"{why}; {sending.end(parts, sent, Fate.UNSENT)}"
        return sending.send_and_settle(parts, sent, lambda: not self._why_not_on(approved, case))

    def _rejudged(self, approved: Approved, index: int) -> Case:
        """What remains, read, simulated and judged anew right before it is signed. Raises NotApproved."""
        left = approved.calls[index:]
        case = self._gather(approved.intent, left, None, standing=self._standing(left), wish=approved.wish)
        self._insist(case)
        return case

    def _insist(self, case: Case) -> None:
        verdict = guard.judge(case)
        self._parts.note("verdict", case.now, verdict_content(verdict))
        self._refuse(verdict)

    def _refuse(self, verdict: Verdict) -> None:
        if isinstance(verdict, Refused):
            told = "; ".join([f"{reason.rule}: {reason.text}" for reason in verdict.reasons])
            raise NotApproved(told, verdict.reasons[0].rule)

    def _settle_old(self, approved: Approved) -> None:
        """Stored bytes are sent again only while the plan may go on. Those that never left are dropped where it may not; those
        that did may be mined as long as their nonce is free, so that nothing of them is given up. Raises ReceiptTimeout."""
        parts = self._parts
        for signed in parts.store.signed(approved.intent):
            if signed.state not in UNSETTLED:
                continue
            found, over = settling.look(parts.endpoint, signed, parts.signer.address), self._why_not_on(approved)
            if found is Fate.WAITING and over and signed.state == "signed":
                found = Fate.UNSENT
            elif found is Fate.WAITING and not over and not parts.endpoint.knows(signed.hash):
                sending.send(parts, signed)
            if found is Fate.WAITING or (found is Fate.OVERTAKEN and not self._overtaken_for_long(signed)):
                raise ReceiptTimeout(transaction_hash=signed.hash, waited_seconds=0)
            sending.end(parts, signed, found)

    def _overtaken_for_long(self, signed: Signed) -> bool:
        now = time.monotonic()
        return now - self._overtaken.setdefault(signed.hash, now) >= OVERTAKEN_SECONDS

    def _is_over(self, approved: Approved) -> bool:
        """Whether every call has ended, or one has ended badly."""
        states = {signed.call: signed.state for signed in self._parts.store.signed(approved.intent)}
        return len(states) == len(approved.calls) or bool(set(states.values()) & {"failed", "dropped"})

    def _why_not_on(self, approved: Approved, judged: Case | None = None) -> str:
        """Why no further call of a begun plan may be signed or sent; a revocation always may. Under reduce-only a plan goes on
        that does nothing else, and one that the guard let pass under it."""
        if REVOCATION in approved.intent:
            return ""
        reduced = self._parts.halts.paused().reduced
        if reduced and not (judged is not None and judged.reduced) and not reduces(self._read(approved)):
            return f"paused: {reduced}"
        return self._why_over(approved)

    def _why_over(self, approved: Approved) -> str:
        """The same, whatever else the guard would let pass."""
        if REVOCATION in approved.intent:
            return ""
        halted = self._parts.halts.paused().halted
        if halted and not revokes(self._read(approved)):
            return f"paused: {halted}"
        late_seconds = self._parts.endpoint.now() - approved.expiry
        return f"the approval expired {late_seconds} s ago" if late_seconds > 0 else ""

    def _read(self, approved: Approved) -> tuple[Action | None, ...]:
        """What was approved, read back."""
        parts = self._parts
        return tuple([registry.parse(call, parts.policy.account, parts.deployment) for call in approved.calls])

    def _refuse_if_ending(self, approved: Approved) -> None:
        if self._parts.halts.ending():
            raise KeeperEnding(approved.intent)

    def _close(self, approved: Approved, note: str) -> Receipt:
        """The plan's receipt, written once, after nobody can take anything any more, or with what could not be revoked."""
        parts = self._parts
        if REVOCATION not in approved.intent:
            note = "; ".join([said for said in (note, self._revoke_leftovers(approved)) if said])
        signed, seat = self._signed_with_revocations(approved), safe.seat_of(parts.policy)
        receipt = receipt_of(parts.endpoint, parts.deployment, seat, intent=approved.intent, signed=signed, note=note)
        gas, now = self._gas_usd_e8(receipt, approved), parts.endpoint.now()
        is_idle = moved_nothing(receipt, parts.second, parts.deployment, seat, signed=signed)
        with parts.store.transaction():
            parts.note("receipt", now, receipt_content(receipt))
            parts.store.put_receipt(approved.intent, wire.to_text(receipt))
            parts.store.claim(approved.intent, BEGUN, "failed" if note else "mined")
            if not is_idle:
                parts.store.settle_reservation(approved.intent, gas_usd_e8=gas)
            elif receipt.transactions:
                parts.store.settle_unmoved(approved.intent, gas_usd_e8=gas)
            else:
                parts.store.release_reservation(approved.intent)
        return receipt

    def _revoke_leftovers(self, approved: Approved) -> str:
        """After a plan nobody may take anything: what still could is revoked. Empty, or what could not be, and why."""
        for begun in self._revocations(approved):  # one that is under way already is not doubled
            if (known := self._parts.store.intent(begun)) is not None and known.state == BEGUN:
                self._carry_out(wire.from_text(Approved, known.verdict), None)
        left = self._standing(approved.calls)
        if not left:
            return ""
        by_address = {asset.address: asset for asset in self._parts.deployment.assets}
        calls = tuple([registry.encode(Revoke(by_address[a.token], a.spender), self._parts.policy.account)[0] for a in left])
        intent = f"{approved.intent}{REVOCATION}{len(self._revocations(approved))}"
        try:
            sending.agreed_nonces(self._parts)
            case = self._gather(intent, calls, None, standing=left)
            verdict = guard.judge(case)
            self._remember(verdict, case)
            if isinstance(verdict, Refused):
                return f"allowances stay open: {'; '.join([reason.text for reason in verdict.reasons])}"
            self._claim(verdict, case)
        except NotApproved as error:
            return f"allowances stay open: {error.why}"
        return "; ".join([f"{said.note}, so allowances stay open" for said in (self._carry_out(verdict, case),) if said.note])

    def _standing(self, calls: tuple[Call, ...]) -> tuple[Allowance, ...]:
        parts = self._parts
        return evidence.standing_allowances(parts.endpoint, parts.deployment, parts.policy.account, calls)

    def _revocations(self, approved: Approved) -> tuple[str, ...]:
        """The intents that revoked what this one left, in order."""
        found: list[str] = []
        while self._parts.store.intent(f"{approved.intent}{REVOCATION}{len(found)}") is not None:
            found.append(f"{approved.intent}{REVOCATION}{len(found)}")
        return tuple(found)

    def _signed_with_revocations(self, approved: Approved) -> tuple[Signed, ...]:
        """A plan's transactions, and those that cleaned up after it: its receipt carries all their fees."""
        intents = (approved.intent, *self._revocations(approved))
        return tuple([signed for intent in intents for signed in self._parts.store.signed(intent)])

    def _gas_usd_e8(self, receipt: Receipt, approved: Approved) -> int:
        """What was burnt at the price now; what was set aside where that cannot be said."""
        parts, own = self._parts, {signed.hash for signed in self._parts.store.signed(approved.intent)}
        burnt = burnt_usd_e8(parts.endpoint, parts.deployment, parts.policy.account, receipt, own)
        return parts.store.reserved(approved.intent).gas_usd_e8 if burnt is None else burnt
