"""What the guard judges of a live plan, gathered by the keeper itself: one block read, the calls read back, modelled and
simulated with the fees they would offer. Refuses nothing: what cannot be had stands in the case as an error, for the guard."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from strategies.domain import NATIVE, Action, Address, Deployment, Revoke
from strategies.errors import (
    IncompleteRead,
    NotApproved,
    ProtocolError,
    SimulationReverted,
    SimulationUnavailable,
    UnsupportedState,
)
from strategies.protocols import erc20, registry
from strategies.protocols.adapter import Call
from strategies.revocations import Lockdown, RevokePermit
from strategies.tape import Reading, price_of
from strategies.units import GWEI, USD_E8, WAD, mul_div_up
from wallets import decimals, pinned, safe, screening
from wallets import reading as blocks
from wallets.case import Case, Fees, revokes
from wallets.data_fee import data_fees_wei
from wallets.endpoints import Endpoint, clock
from wallets.expected import expected_effects
from wallets.gas import GAS_MARGIN
from wallets.pause import Held
from wallets.policy import Policy
from wallets.simulate import SIMULATED_SECONDS, allowance_pairs, simulate
from wallets.unchanged import depends_on, reasons_of
from wallets.wallet import Allowance, Effects, Wish

BASE_FEE_DOUBLINGS: Final = 1  # the fee cap pays for a base fee that doubles, six full blocks away


@dataclass(frozen=True, slots=True)
class Asked:
    """Calls to be judged, and the circumstances only the wallet knows."""

    intent: str
    calls: tuple[Call, ...]
    plan_block: int | None  # None: the block that is read now
    held: Held
    standing: tuple[Allowance, ...]
    wish: Wish


def gather(endpoint: Endpoint, policy: Policy, deployment: Deployment, asked: Asked) -> Case:
    """Everything the checks look at, of the latest block; what the wallet did before, its store adds. What keeps something from
    being read never keeps a revocation: it needs the token alone. Raises IncompleteRead, UnsupportedState, EndpointUnusable, and
    NotApproved where code that is not as pinned keeps it from being read."""
    actions = tuple([registry.parse(call, policy.account, deployment) for call in asked.calls])
    try:
        with _blaming_code(endpoint, deployment):
            return _gathered(endpoint, policy, deployment, asked, actions)
    except (IncompleteRead, UnsupportedState, NotApproved):
        if not revokes(actions):
            raise
    named = _named(deployment, actions)
    return _gathered(endpoint, policy, named, replace(asked, standing=_standing_in(named, asked)), actions)


def _gathered(
    endpoint: Endpoint, policy: Policy, deployment: Deployment, asked: Asked, actions: tuple[Action | None, ...]
) -> Case:
    reading, portfolio = blocks.read(endpoint, deployment, policy.account)
    chain_id = endpoint.chain_id()
    modelled, expected_error = None, ""
    try:
        modelled = expected_effects(
            actions=actions,
            calls=asked.calls,
            reading=reading,
            portfolio=portfolio,
            deployment=deployment,
            account=policy.account,
            timestamp=reading.timestamp + SIMULATED_SECONDS,
            standing=asked.standing,
        )
    except (ProtocolError, ArithmeticError, LookupError, ValueError) as error:
        expected_error = str(error) or type(error).__name__
    fees, effects, effects_error = _simulated(endpoint, policy, deployment, asked, reading)
    seat = safe.seat_of(policy)
    depended = (*depends_on(deployment, actions, portfolio, policy.account), safe.sender(seat), *safe.contracts(seat))
    stands, payer_wei = _stands(endpoint, deployment, seat)
    return Case(
        policy=policy,
        deployment=deployment,
        intent=asked.intent,
        endpoint_chain_id=chain_id,
        calls=asked.calls,
        actions=actions,
        expected=modelled.effects if modelled is not None else None,
        expected_error=expected_error,
        effects=effects,
        effects_error=effects_error,
        reading=reading,
        portfolio=portfolio,
        plan_block=reading.block if asked.plan_block is None else asked.plan_block,
        now=clock(chain_id, reading.timestamp),
        fees=replace(fees, data_fees_wei=data_fees_wei(endpoint, deployment, [safe.outer(seat, call) for call in asked.calls])),
        spent_day_usd_e8=0,
        gas_day_usd_e8=0,
        paused=asked.held.halted,
        standing=asked.standing,
        reduced=asked.held.reduced,
        changed=(*_changed(endpoint, deployment, actions, depended, reading), *stands),
        mismeasured=decimals.otherwise(endpoint, deployment, [one for one in deployment.assets if one.address in depended]),
        payer_wei=payer_wei,
        steps=modelled.steps if modelled is not None else None,
        wish=asked.wish,
        screening=screening.look(policy.compliance.screening),
    )


def _stands(endpoint: Endpoint, deployment: Deployment, seat: safe.Seat) -> tuple[pinned.Changes, int | None]:
    """How a Safe stands otherwise than the policy says, and what its member has for gas; of any other account nothing."""
    if seat.safe is None:
        return (), None
    block = endpoint.read(safe.reads(seat), deployment.multicall)
    return safe.otherwise(seat, block.results), endpoint.balance_wei(safe.sender(seat))


def _named(deployment: Deployment, actions: Sequence[Action | None]) -> Deployment:
    """What is left of a deployment when only the tokens are asked that revocations name."""
    tokens = {NATIVE, *[address for action in actions for address in _tokens(action)]}
    assets = tuple([asset for asset in deployment.assets if asset.address in tokens])
    return replace(deployment, assets=assets, markets=(), feeds={}, sequencer=None)


def _tokens(action: Action | None) -> tuple[Address, ...]:
    """The tokens of which a revocation takes something back; an operator's is of none that is measured."""
    match action:
        case Revoke(asset=asset) | RevokePermit(asset=asset):
            return (asset.address,)
        case Lockdown(pairs=pairs):
            return tuple([asset.address for asset, _ in pairs])
        case _:
            return ()


def _standing_in(deployment: Deployment, asked: Asked) -> tuple[Allowance, ...]:
    """Of what was found standing, what is asked about again."""
    pairs = set(allowance_pairs(deployment, asked.calls))
    return tuple([found for found in asked.standing if (found.token, found.spender) in pairs])


@contextmanager
def _blaming_code(endpoint: Endpoint, deployment: Deployment) -> Iterator[None]:
    """Where something cannot be read and some contract is not as pinned, that is why. Raises NotApproved."""
    try:
        yield
    except (IncompleteRead, UnsupportedState) as error:
        changes = pinned.changed(endpoint, deployment, deployment.code, "latest")
        if changes:
            raise NotApproved("; ".join([f"{why.text} ({error})" for why in reasons_of(changes)]), "code") from None
        raise


def _changed(
    endpoint: Endpoint,
    deployment: Deployment,
    actions: Sequence[Action | None],
    addresses: tuple[Address, ...],
    reading: Reading,
) -> pinned.Changes:
    """What the plan depends on and is not as pinned, in the block that was read; nobody is asked about a revocation."""
    return () if revokes(actions) else pinned.changed(endpoint, deployment, addresses, {"blockHash": reading.block_hash})


def standing_allowances(
    endpoint: Endpoint, deployment: Deployment, account: Address, calls: Sequence[Call]
) -> tuple[Allowance, ...]:
    """What may be taken from the account now, by any market and by whoever the calls name. Raises IncompleteRead, and NotApproved
    where code that is not as pinned keeps it from being read."""
    actions = [registry.parse(call, account, deployment) for call in calls]
    try:
        with _blaming_code(endpoint, deployment):
            return _standing(endpoint, deployment, account, calls)
    except (IncompleteRead, NotApproved):
        if not revokes(actions):
            raise
    return _standing(endpoint, _named(deployment, actions), account, calls)


def _standing(endpoint: Endpoint, deployment: Deployment, account: Address, calls: Sequence[Call]) -> tuple[Allowance, ...]:
    pairs = allowance_pairs(deployment, calls)
    asked = [erc20.allowance_read(token, account, spender) for token, spender in pairs]
    block = endpoint.read(asked, deployment.multicall)
    if None in block.results:
        raise IncompleteRead("an allowance gave no answer")
    raws = [erc20.read_amount(result, "an allowance") for result in block.results if result is not None]
    return tuple([Allowance(token, spender, raw) for (token, spender), raw in zip(pairs, raws, strict=True) if raw])


def _simulated(
    endpoint: Endpoint, policy: Policy, deployment: Deployment, asked: Asked, reading: Reading
) -> tuple[Fees, Effects | None, str]:
    """The fees to offer, and the effects with exactly them: a first run at the policy's gas cap measures, a second one proves."""
    calls = asked.calls
    widest = _fees(endpoint, policy, reading, (policy.max_gas_per_transaction,) * len(calls))
    run = partial(
        simulate,
        endpoint,
        deployment=deployment,
        seat=safe.seat_of(policy),
        calls=calls,
        nonce=endpoint.nonce(safe.sender(safe.seat_of(policy)), "latest"),
        at=reading,
    )
    fees = widest
    try:
        limits = tuple([min(mul_div_up(gas, *GAS_MARGIN), policy.max_gas_per_transaction) for gas in run(fees=widest).gas_used])
        fees = _wished(_fitted(replace(widest, gas_limits=limits), policy, deployment, reading), asked.wish)
        effects = run(fees=fees)
    except (ProtocolError, SimulationReverted, SimulationUnavailable) as error:
        return _wished(fees, asked.wish), None, str(error)
    return fees, effects, ""


def _fees(endpoint: Endpoint, policy: Policy, reading: Reading, gas_limits: tuple[int, ...]) -> Fees:
    """The endpoint's suggestion inside the policy's caps: what a node asks for is never above what a person allows."""
    suggested = endpoint.fees()
    tip_wei = min(suggested.priority_fee_wei, policy.max_priority_fee_gwei * GWEI)
    ample_wei = (max(reading.base_fee_wei, suggested.base_fee_wei) << BASE_FEE_DOUBLINGS) + tip_wei
    return Fees(min(ample_wei, policy.max_fee_gwei * GWEI), min(tip_wei, policy.max_fee_gwei * GWEI), gas_limits)


def _fitted(fees: Fees, policy: Policy, deployment: Deployment, reading: Reading) -> Fees:
    """A fee cap that leaves less room for a rising base fee, where that keeps the dearest call under its dollars."""
    native = deployment.native
    price = price_of(reading.quotes, native) if native is not None else None
    if price is None or not fees.gas_limits:
        return fees
    fitting_wei = policy.max_transaction_gas_usd * USD_E8 * WAD // (price * max(fees.gas_limits))
    enough_wei = reading.base_fee_wei + fees.max_priority_fee_wei
    return replace(fees, max_fee_wei=min(fees.max_fee_wei, max(fitting_wei, enough_wei)))


def _wished(fees: Fees, wish: Wish) -> Fees:
    """What a client asks for stands as it asks, and the guard refuses it where it is too much; but it offers no less than the
    wallet itself would: a transaction that nobody mines holds back every later one, revocations among them."""
    limits = fees.gas_limits if wish.gas_limit is None else (wish.gas_limit,) * len(fees.gas_limits)
    max_fee_wei = max(fees.max_fee_wei, wish.max_fee_wei or 0)
    tip_wei = min(fees.max_priority_fee_wei, max_fee_wei) if wish.max_priority_fee_wei is None else wish.max_priority_fee_wei
    return Fees(max_fee_wei, tip_wei, limits)
