"""A plan call by call: what stands before and after each, by the protocol models. Refuses a plan that they refuse, by their own
error, and never guesses what a call does that nobody read."""

from collections.abc import Iterator

from strategies.domain import Action, Market
from strategies.errors import IncompleteRead, UnknownCall
from strategies.protocols.registry import MarketState
from wallets.case import Case, World
from wallets.expected import market_index, walk


def worlds(case: Case) -> Iterator[tuple[Action, World, World]]:
    """Each action with the markets and the account before and after it, all at the time of the reading. Raises ProtocolError."""
    actions = [action for action in case.actions if action is not None]
    if len(actions) < len(case.actions):
        raise UnknownCall("a call of the plan was read by no adapter")
    steps = walk(
        actions,
        case.reading,
        case.portfolio,
        deployment=case.deployment,
        account=case.policy.account,
        timestamps=[case.reading.timestamp] * len(actions),
        standing=case.standing,
    )
    after: World = (case.reading.states, case.portfolio)
    for action, step in zip(actions, steps, strict=True):
        before, after = after, (step.states, step.portfolio)
        yield action, before, after


def state_in(case: Case, world: World, market: Market) -> MarketState:
    """A market's state in one of a plan's worlds. Raises UnknownMarket, IncompleteRead."""
    state = world[0][market_index(case.deployment, market)]
    if state is None:
        raise IncompleteRead(f"{market.id} could not be read")
    return state
