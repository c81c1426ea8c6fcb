"""How many decimals each token says it has, held against the deployment: every figure in dollars rests on them. Refuses plans
that touch a token which says otherwise now, or nothing; what only takes back moves base units and is let through."""

from collections.abc import Iterable
from typing import Final

from strategies.domain import NATIVE, Asset, Deployment
from strategies.protocols.adapter import Call, Function
from wallets.case import Case
from wallets.endpoints import Endpoint
from wallets.wallet import Reason

DECIMALS: Final = Function("313ce567")


def otherwise(endpoint: Endpoint, deployment: Deployment, assets: Iterable[Asset]) -> tuple[str, ...]:
    """What tokens say of themselves that the deployment does not, in the latest block. Raises IncompleteRead."""
    tokens = [asset for asset in assets if asset.address != NATIVE]
    if not tokens:
        return ()
    answers = endpoint.read([Call(token.address, DECIMALS.encode()) for token in tokens], deployment.multicall).results
    found = zip(tokens, map(_number, answers), strict=True)
    return tuple([_told(token, said) for token, said in found if said != token.decimals])


def denominated(case: Case) -> tuple[Reason, ...]:
    """Every token that the plan touches has the decimals that a person wrote down."""
    if case.only_reduces or not case.mismeasured:
        return ()
    return tuple([Reason("token", why) for why in case.mismeasured])


def _number(answer: bytes | None) -> int | None:
    return int.from_bytes(answer, "big") if answer is not None and len(answer) == 32 else None


def _told(token: Asset, said: int | None) -> str:
    says = "does not say how many decimals it has" if said is None else f"says it has {said} decimals"
    return f"{token.symbol} ({token.address}) {says}; the deployment names {token.decimals}: look at what it is, and pin it again"
