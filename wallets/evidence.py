"""What the guard judges of a live plan, gathered by the keeper itself: one block read, the calls read back, modelled and
simulated with the fees they would offer. Refuses nothing: what cannot be had stands in the case as an error, for the guard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strategies.domain import Address, Deployment
from strategies.errors import IncompleteRead, ProtocolError, SimulationReverted, SimulationUnavailable
from strategies.protocols import erc20, registry
from strategies.protocols.adapter import Call
from strategies.tape import Reading
from strategies.units import GWEI, mul_div_up
from wallets import reading as blocks
from wallets.case import Case, Fees
from wallets.endpoints import Endpoint, clock
from wallets.expected import expected_effects
from wallets.policy import Policy
from wallets.simulate import SIMULATED_SECONDS, allowance_pairs, simulate
from wallets.store import Spent
from wallets.wallet import Allowance, Effects

BASE_FEE_DOUBLINGS: Final = 1  # the fee cap pays for a base fee that doubles, six full blocks away
GAS_MARGIN: Final = (3, 2)  # a refund hides up to a fifth of what a call needs on its way (EIP-3529), and states move


@dataclass(frozen=True, slots=True)
class Asked:
    """Calls to be judged, and the circumstances only the wallet knows."""

    intent: str
    calls: tuple[Call, ...]
    plan_block: int | None  # None: the block that is read now
    spent: Spent
    paused: str
    standing: tuple[Allowance, ...] = ()


def gather(endpoint: Endpoint, policy: Policy, deployment: Deployment, asked: Asked) -> Case:
    """Everything the checks look at, of the latest block. Raises IncompleteRead, EndpointUnusable."""
    reading, portfolio = blocks.read(endpoint, deployment, policy.account)
    chain_id = endpoint.chain_id()
    actions = tuple([registry.parse(call, policy.account, deployment) for call in asked.calls])
    expected, expected_error = None, ""
    try:
        expected = expected_effects(
            actions=actions,
            calls=asked.calls,
            reading=reading,
            portfolio=portfolio,
            deployment=deployment,
            account=policy.account,
            timestamp=reading.timestamp + SIMULATED_SECONDS,
            standing=asked.standing,
        ).effects
    except (ProtocolError, ArithmeticError, LookupError, ValueError) as error:
        expected_error = str(error) or type(error).__name__
    fees, effects, effects_error = _simulated(endpoint, policy, deployment, asked.calls, reading)
    return Case(
        policy=policy,
        deployment=deployment,
        intent=asked.intent,
        endpoint_chain_id=chain_id,
        calls=asked.calls,
        actions=actions,
        expected=expected,
        expected_error=expected_error,
        effects=effects,
        effects_error=effects_error,
        reading=reading,
        portfolio=portfolio,
        plan_block=reading.block if asked.plan_block is None else asked.plan_block,
        now=clock(chain_id, reading.timestamp),
        fees=fees,
        spent_day_usd_e8=asked.spent.usd_e8,
        gas_day_usd_e8=asked.spent.gas_usd_e8,
        paused=asked.paused,
        standing=asked.standing,
    )


def standing_allowances(
    endpoint: Endpoint, deployment: Deployment, account: Address, calls: Sequence[Call]
) -> tuple[Allowance, ...]:
    """What may be taken from the account now, by any market and by whoever the calls name. Raises IncompleteRead."""
    pairs = allowance_pairs(deployment, calls)
    asked = [erc20.allowance_read(token, account, spender) for token, spender in pairs]
    block = endpoint.read(asked, deployment.multicall)
    if None in block.results:
        raise IncompleteRead("an allowance gave no answer")
    raws = [erc20.read_amount(result, "an allowance") for result in block.results if result is not None]
    return tuple([Allowance(token, spender, raw) for (token, spender), raw in zip(pairs, raws, strict=True) if raw])


def _simulated(
    endpoint: Endpoint, policy: Policy, deployment: Deployment, calls: tuple[Call, ...], reading: Reading
) -> tuple[Fees, Effects | None, str]:
    """The fees to offer, and the effects with exactly them: a first run at the policy's gas cap measures, a second one proves."""
    widest = _fees(endpoint, policy, reading, (policy.max_gas_per_transaction,) * len(calls))
    nonce = endpoint.nonce(policy.account, "latest")
    fees = widest
    try:
        measured = simulate(
            endpoint, deployment=deployment, account=policy.account, calls=calls, fees=widest, nonce=nonce, at=reading
        )
        limits = tuple([min(mul_div_up(gas, *GAS_MARGIN), policy.max_gas_per_transaction) for gas in measured.gas_used])
        fees = Fees(widest.max_fee_wei, widest.max_priority_fee_wei, limits)
        effects = simulate(
            endpoint, deployment=deployment, account=policy.account, calls=calls, fees=fees, nonce=nonce, at=reading
        )
    except (ProtocolError, SimulationReverted, SimulationUnavailable) as error:
        return fees, None, str(error)
    return fees, effects, ""


def _fees(endpoint: Endpoint, policy: Policy, reading: Reading, gas_limits: tuple[int, ...]) -> Fees:
    """The endpoint's suggestion inside the policy's caps: what a node asks for is never above what a person allows."""
    suggested = endpoint.fees()
    tip_wei = min(suggested.priority_fee_wei, policy.max_priority_fee_gwei * GWEI)
    ample_wei = (max(reading.base_fee_wei, suggested.base_fee_wei) << BASE_FEE_DOUBLINGS) + tip_wei
    return Fees(min(ample_wei, policy.max_fee_gwei * GWEI), min(tip_wei, policy.max_fee_gwei * GWEI), gas_limits)
