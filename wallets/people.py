"""How many people must say yes to a plan, and what the day's limits remember of it. Refuses nothing: the guard writes it into
its yes, and the wallet holds the signatures against it."""

from collections.abc import Iterator, Sequence
from typing import Final

from strategies.domain import Action, Amount, Approve, Borrow, MarketAction, Revocation, Supply, Swap, SwapFor, Transfer, Withdraw
from strategies.units import USD_E8
from wallets.case import Case, calls_digest, price_usd_e8, usd_e8_down, value_usd_e8
from wallets.wallet import Move

PART_E8: Final = 10**8  # of what a trade gives
ALLOWANCES: Final = (Approve, Revocation)


def people_needed(case: Case) -> int:
    """None up to the unattended limit, two above the other threshold, else one; what leaves for good always needs one. Spending
    into one place is added up over the gathering time: a large plan gains nothing by being cut into small ones."""
    return people_for(case, tuple(moves_of(case)))


def people_for(case: Case, moves: Sequence[Move]) -> int:
    """The same where the plan's moves are known already."""
    people = case.policy.people
    largest = _largest_usd_e8(case, moves)
    if people.two_people_above_usd is not None and largest > people.two_people_above_usd * USD_E8:
        return 2
    attended = people.max_unattended_usd == 0 or largest > people.max_unattended_usd * USD_E8
    return 1 if attended or Transfer in case.kinds else 0


def _largest_usd_e8(case: Case, moves: Sequence[Move]) -> int:
    """The plan's whole spending, or what one place got with what it got lately, whichever is more. Raises IncompleteRead."""
    since = case.now - case.policy.people.gather_seconds
    earlier = [move for move in case.past if move.at > since and move.intent != case.intent]
    whole = sum([move.usd_e8 for move in moves])
    if not earlier:
        return whole
    addresses = {market.id: market.address for market in case.deployment.markets}  # one contract is one place, whatever it takes
    spent = [(addresses.get(move.place, move.place), move.usd_e8) for move in (*earlier, *moves)]
    places = {addresses.get(move.place, move.place) for move in moves if move.usd_e8}
    gathered = [sum([usd_e8 for at, usd_e8 in spent if at == place]) for place in places]
    return max([whole, *gathered])


def moves_of(case: Case) -> Iterator[Move]:
    """What a plan does in each place, call by call. Raises IncompleteRead where something is unpriced."""
    digest, worth = calls_digest(case.calls), {at: value_usd_e8(case, amount) for at, amount in case.spending}
    for at, action in enumerate(case.actions):
        if action is not None and not isinstance(action, ALLOWANCES):
            place, way, pair = _place(action)
            yield Move(case.intent, place, way, worth.get(at, 0), loss_e8(case, action), digest, case.now, pair)


def loss_e8(case: Case, action: Action | None) -> int:
    """The most that a trade may lose against the oracles, in parts of what it gives, rounded up; nothing for anything else."""
    match action:
        case Swap(amount_in=given, least_out=got) | SwapFor(most_in=given, amount_out=got):
            worth, back = value_usd_e8(case, given), least_usd_e8(case, got)
            return -(-max(worth - back, 0) * PART_E8 // worth) if worth else 0
        case _:
            return 0


def least_usd_e8(case: Case, amount: Amount) -> int:
    """An amount's worth, rounded down; nothing where it has no fresh price."""
    return usd_e8_down(amount, price_usd_e8(case, amount.asset) or 0)


def _place(action: MarketAction | Transfer) -> tuple[str, str, str]:
    """Where an action does something, which way, and the pair it trades."""
    match action:
        case Supply(market=market):
            return market.id, "in", ""
        case Borrow(market=market):
            return market.id, "borrowed", ""
        case Withdraw(market=market):
            return market.id, "out", ""
        case Swap(amount_in=given, least_out=got) | SwapFor(most_in=given, amount_out=got):
            return action.market.id, "trade", f"{given.asset.symbol}>{got.asset.symbol}"
        case Transfer(recipient=recipient):
            return recipient, "sent", ""
        case _:
            return action.market.id, "tended", ""
