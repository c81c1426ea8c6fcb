"""A plan call by call: what stands before and after each, by the protocol models. Refuses a plan that they refuse, and never
guesses what a call does that nobody read."""

from collections.abc import Iterator

from strategies.domain import Action
from strategies.errors import UnknownCall
from wallets.case import Case, World


def worlds(case: Case) -> Iterator[tuple[Action, World, World]]:
    """Each action with the markets and the account before and after it, both at its own time. Raises UnknownCall where the models
    say nothing, and ValueError where what they say is of other calls."""
    if case.steps is None:
        raise UnknownCall(f"the models say nothing of the plan: {case.expected_error}")
    portfolio = case.portfolio
    for action, step in zip(case.actions, case.steps, strict=True):
        if action is None:
            raise UnknownCall("a call of the plan was read by no adapter")
        yield action, (step.found, portfolio), (step.states, step.portfolio)
        portfolio = step.portfolio
