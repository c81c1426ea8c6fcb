"""A second endpoint's word on what the first one answered: the chain, the block, what stands in it, prices among it, and what
the very same calls change. Refuses a plan where they differ or the second does not answer: one node that lies alone gets nothing
signed. Revocations pass."""

from typing import Final

from strategies.errors import SimulationReverted, SimulationUnavailable, UsufructError
from wallets import reading as blocks
from wallets import safe
from wallets.case import Case
from wallets.endpoints import Endpoint
from wallets.simulate import simulate
from wallets.wallet import Effects, Reason

LAG_BLOCKS: Final = 2  # how far the endpoint that is asked first may be behind


def agreed(case: Case) -> tuple[Reason, ...]:
    """What the second endpoint objects to, where there is one."""
    return () if case.only_revokes else case.objections


def objections(second: Endpoint, case: Case) -> tuple[Reason, ...]:
    """Everything in which a second endpoint differs from what was gathered. An endpoint that cannot be asked objects."""
    try:
        chain, block = _of_the_chain(second, case), _of_the_block(second, case)
        return (*chain, *block, *(() if block else _of_the_reading(second, case)), *_of_the_calls(second, case))
    except UsufructError as error:
        return (Reason("simulation", f"the second endpoint does not answer, so nobody confirms the first: {error}"),)


def _of_the_chain(second: Endpoint, case: Case) -> tuple[Reason, ...]:
    found = second.chain_id()
    if found == case.endpoint_chain_id:
        return ()
    return (Reason("chain", f"the first endpoint says chain {case.endpoint_chain_id}, the second says {found}"),)


def _of_the_block(second: Endpoint, case: Case) -> tuple[Reason, ...]:
    head, reading = second.read_header(), case.reading
    if head.number - reading.block > LAG_BLOCKS:
        return (Reason("age", f"the first endpoint is at block {reading.block}, the second at {head.number}"),)
    if head.number < reading.block - LAG_BLOCKS:
        return (Reason("age", f"the second endpoint is at block {head.number} and cannot confirm {reading.block}"),)
    if head.number < reading.block:
        return ()  # a block that is only a moment old
    found = second.header(reading.block).hash
    if found == reading.block_hash:
        return ()
    return (Reason("simulation", f"block {reading.block} is {reading.block_hash} at the first endpoint, {found} at the second"),)


def _of_the_reading(second: Endpoint, case: Case) -> tuple[Reason, ...]:
    """Every limit in dollars rests on what was read."""
    found, held = blocks.read(second, case.deployment, case.policy.account, case.reading.block_hash)
    said = {"the prices": (case.reading.quotes, found.quotes), "what the account has": (case.portfolio, held)}
    said |= {"the markets": (case.reading.states, found.states), "what cannot be read": (case.reading.refused, found.refused)}
    apart = [what for what, (one, other) in said.items() if one != other]
    text = f"in block {case.reading.block} the two endpoints read otherwise: {', '.join(apart)}"
    return (Reason("simulation", text),) if apart else ()


def _of_the_calls(second: Endpoint, case: Case) -> tuple[Reason, ...]:
    if case.fees is None or case.effects is None:
        return ()  # refused already
    seat = safe.seat_of(case.policy)
    try:
        nonce = second.nonce(safe.sender(seat), "latest")
        found = simulate(
            second, deployment=case.deployment, seat=seat, calls=case.calls, fees=case.fees, nonce=nonce, at=case.reading
        )
    except (SimulationReverted, SimulationUnavailable) as error:
        return (Reason("simulation", f"at the second endpoint: {error}"),)
    return () if _content(found) == _content(case.effects) else (_differing(case.effects, found),)


def _content(effects: Effects) -> tuple[object, ...]:
    """What must be the same: gas may differ by a client's own estimate of a refund."""
    return effects.changes, effects.allowances, effects.unexpected, effects.block, effects.timestamp


def _differing(one: Effects, other: Effects) -> Reason:
    only = sorted({f"{c.symbol} {c.delta_raw:+}" for c in set(one.changes) ^ set(other.changes)})
    return Reason("effects", f"the two endpoints simulate different effects: {', '.join(only) or 'allowances or events differ'}")
