"""Which contracts a plan depends on, and the rule that their code is still what a person pinned. Refuses every plan but a
revocation where one of them changed, where a contract became a proxy, and where our account or the treasury carries code."""

from collections.abc import Iterator, Sequence

from strategies.domain import (
    NATIVE,
    Action,
    Address,
    Approve,
    Asset,
    Borrow,
    Deployment,
    Market,
    MarketAction,
    Portfolio,
    Revoke,
    SetCollateral,
    Swap,
    Transfer,
    Withdraw,
)
from strategies.revocations import Lockdown, RevokeOperator, RevokePermit, RevokeToken
from wallets.case import Case
from wallets.wallet import Reason


def unchanged(case: Case) -> tuple[Reason, ...]:
    """Nothing that the plan depends on changed since it was pinned. A change stops what it touches until a person pins it again;
    taking an allowance back never depends on it."""
    return () if case.only_revokes else reasons_of(case.changed)


def reasons_of(changes: Sequence[tuple[Address, str]]) -> tuple[Reason, ...]:
    """What is not as pinned, as a person is told."""
    return tuple([Reason("code", f"{address} {why}: look at what changed, then pin it again") for address, why in changes])


def depends_on(
    deployment: Deployment, actions: Sequence[Action | None], portfolio: Portfolio, account: Address
) -> tuple[Address, ...]:
    """What must be as pinned for these actions to mean what they say: the account, what every read goes through, and all that an
    action touches, its prices included."""
    found = [account, deployment.multicall, *([deployment.sequencer] if deployment.sequencer is not None else [])]
    for action in actions:
        if action is not None:
            found += _touched(deployment, action, portfolio)
    priced = [*found, *[coin.address for coin in _wrapped_native(deployment)]]
    feeds = [deployment.feeds[address] for address in priced if address in deployment.feeds]
    return tuple(dict.fromkeys([address for address in (*found, *feeds) if address != NATIVE]))


def contracts_of(market: Market) -> Iterator[Address]:
    """Every address that a market names, and those of the markets beneath it."""
    yield market.address
    yield from [address for _, address in market.contracts]
    yield from [asset.address for asset in (market.asset, *market.others)]
    for wrapped in market.wraps:
        yield from contracts_of(wrapped)


def _touched(deployment: Deployment, action: Action, portfolio: Portfolio) -> Iterator[Address]:
    match action:
        case Approve(amount, spender):
            yield from (amount.asset.address, *_pinned(deployment, spender))
        case Revoke(asset, spender):
            yield from (asset.address, *_pinned(deployment, spender))
        case RevokeOperator(collection) | RevokeToken(collection):
            yield collection
        case RevokePermit(contract, asset):
            yield from (contract, asset.address)
        case Lockdown(contract, pairs):
            yield from (contract, *[asset.address for asset, _ in pairs])
        case Transfer(amount, recipient):
            yield from (amount.asset.address, recipient)
        case _:
            yield from contracts_of(action.market)
            for hop in action.via if isinstance(action, Swap) else ():
                yield from contracts_of(hop)
            for held in _backing(action, portfolio):
                yield from contracts_of(held)


def _backing(action: MarketAction, portfolio: Portfolio) -> tuple[Market, ...]:
    """The markets whose word counts in a health factor that this action may lower."""
    held = [position for position in portfolio.positions if position.market.protocol == action.market.protocol]
    owes = any(position.debt_raw for position in held)
    lowers = isinstance(action, Borrow) or (owes and isinstance(action, Withdraw | SetCollateral))
    return tuple([position.market for position in held]) if lowers else ()


def _pinned(deployment: Deployment, spender: Address) -> tuple[Address, ...]:
    """A spender, where it is one of ours: what a stranger's code is does not matter, because it gets no allowance."""
    return (spender,) if spender in deployment.code else ()


def _wrapped_native(deployment: Deployment) -> Iterator[Asset]:
    """The token in which the chain's own coin is priced, and that coin."""
    for coin in deployment.assets:
        if coin.address == NATIVE:
            yield coin
            yield from [asset for asset in deployment.assets if asset.symbol == f"W{coin.symbol}"]
