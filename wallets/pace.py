"""How often the wallet acts. Refuses more plans in an hour than the policy allows, round trips, and the very same calls again at
once. What only takes back is never too soon."""

from collections.abc import Iterator, Mapping
from typing import Final

from wallets.case import Case, calls_digest
from wallets.people import moves_of
from wallets.wallet import Reason

SECONDS_PER_HOUR: Final = 3_600
UNDOES: Final[Mapping[str, str]] = {"in": "out", "out": "in"}


def paced(case: Case) -> tuple[Reason, ...]:
    """Not too many plans, no round trips, no repetition, as of what the wallet itself did."""
    if case.only_reduces or not case.past:
        return ()
    return (*_too_many(case), *_reversals(case), *_repetition(case))


def _too_many(case: Case) -> Iterator[Reason]:
    limit = case.policy.pace.max_plans_hour
    plans = {move.intent for move in case.past if move.at > case.now - SECONDS_PER_HOUR and move.intent != case.intent}
    if len(plans) >= limit:
        yield Reason("pace", f"{len(plans)} plans were begun within the hour; pace.max_plans_hour is {limit}")


def _reversals(case: Case) -> Iterator[Reason]:
    seconds = case.policy.pace.reversal_seconds
    recent = [move for move in case.past if move.at > case.now - seconds and move.intent != case.intent]
    if not recent:
        return
    undone = {(move.place, UNDOES[move.way]): move.at for move in recent if move.way in UNDOES}
    traded = {_turned(move.pair): move.at for move in recent if move.pair}
    for move in moves_of(case):
        since = undone.get((move.place, move.way), traded.get(move.pair) if move.pair else None)
        if since is not None:
            what = f"a trade of {move.pair}" if move.pair else f"what goes {move.way} of {move.place}"
            text = f"{what} undoes what was done {case.now - since} s ago; pace.reversal_seconds is {seconds}"
            yield Reason("pace", text)


def _turned(pair: str) -> str:
    given, _, got = pair.partition(">")
    return f"{got}>{given}"


def _repetition(case: Case) -> Iterator[Reason]:
    seconds = case.policy.pace.repeat_seconds
    digest = calls_digest(case.calls)
    again = [move.at for move in case.past if move.calls == digest and move.intent != case.intent]
    if again and max(again) > case.now - seconds:
        yield Reason("pace", f"the same calls were made {case.now - max(again)} s ago; pace.repeat_seconds is {seconds}")
