"""What the calls may burn. Refuses fees, gas limits and costs above their caps, and a plan that leaves no gas for a way out."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from strategies.units import GWEI, USD_E8, WAD, mul_div_up
from wallets.case import Case, Fees, gas_usd_e8, gas_wei, native_usd_e8, usd
from wallets.wallet import Reason

UNUSUAL: Final = 3  # times an adapter's own figure
ROLE_GAS: Final = 250_000  # what a Safe and its role add to a call, measured
GAS_MARGIN: Final = (3, 2)  # a refund hides up to a fifth of what a call needs on its way (EIP-3529), and states move


def affordable(case: Case) -> tuple[Reason, ...]:
    """Fees and gas limits stay under their caps."""
    if case.fees is None:
        return ()
    fees, policy, reasons = case.fees, case.policy, []
    if fees.max_fee_wei > policy.max_fee_gwei * GWEI:
        text = f"the fee cap is {fees.max_fee_wei / GWEI:,.3f} gwei; max_fee_gwei is {policy.max_fee_gwei}"
        reasons.append(Reason("gas", text))
    if fees.max_priority_fee_wei > policy.max_priority_fee_gwei * GWEI:
        text = f"the tip is {fees.max_priority_fee_wei / GWEI:,.3f} gwei; max_priority_fee_gwei is {policy.max_priority_fee_gwei}"
        reasons.append(Reason("gas", text))
    if fees.max_priority_fee_wei > fees.max_fee_wei:
        reasons.append(Reason("gas", "the tip is above the fee cap, and no block takes such a transaction"))
    if len(fees.gas_limits) != len(case.calls):
        reasons.append(Reason("gas", f"{len(case.calls)} calls have {len(fees.gas_limits)} gas limits"))
    for at, limit in enumerate(fees.gas_limits):
        if limit > policy.max_gas_per_transaction:
            text = f"call {at} may burn {limit:,} gas; max_gas_per_transaction is {policy.max_gas_per_transaction:,}"
            reasons.append(Reason("gas", text))
    if fees.data_fees_wei is None and not case.only_revokes:
        reasons.append(Reason("gas", "the rollup does not say what it asks for data: its gas price oracle must answer"))
    return (*reasons, *_too_much_gas(case, fees), *_too_dear(case, fees))


def _too_much_gas(case: Case, fees: Fees) -> Iterator[Reason]:
    """A limit far above what the call needs pays whoever takes its gas."""
    needed = case.effects.gas_used if case.effects is not None else ()
    for at, (limit, used) in enumerate(zip(fees.gas_limits, needed, strict=False)):
        if limit > (most := mul_div_up(used, *GAS_MARGIN)):
            yield Reason("gas", f"call {at} needs {used:,} gas and may burn {limit:,}; at most {most:,}")


def _too_dear(case: Case, fees: Fees) -> Iterator[Reason]:
    """What one transaction may cost; revocations leave at any price."""
    price, cap = native_usd_e8(case), case.policy.max_transaction_gas_usd
    if price is None or case.only_revokes:
        return
    for at, (limit, data_wei) in enumerate(zip_longest(fees.gas_limits, fees.data_fees_wei or (), fillvalue=0)):
        if (cost := mul_div_up(limit * fees.max_fee_wei + data_wei, price, WAD)) > cap * USD_E8:
            yield Reason("gas", f"call {at} may cost {usd(cost)} of gas; max_transaction_gas_usd is {cap:,}")


def ordinary_gas(case: Case) -> tuple[Reason, ...]:
    """An action burns about what such actions burn: far more of it is somebody else's work at our cost. What only takes back, and
    allowances, may cost what they cost."""
    if case.fees is None or case.effects is None or case.expected is None or case.only_reduces:
        return ()
    wrapping = 0 if case.policy.safe is None else ROLE_GAS
    needed, usual = case.effects.gas_used, case.expected.gas_used
    return tuple(
        [
            Reason("gas", f"call {at} burns {needed[at]:,} gas, such a call about {usual[at] + wrapping:,}: look at what it does")
            for at, _ in case.touching
            if at < len(needed) and needed[at] > UNUSUAL * (usual[at] + wrapping)
        ]
    )


def within_gas_budget(case: Case) -> tuple[Reason, ...]:
    """The worst this plan can burn fits into the day's gas budget."""
    if case.fees is None or case.only_revokes:
        return ()
    limit = case.policy.max_day_gas_usd
    burn = gas_usd_e8(case)
    if burn is None:
        return (Reason("gas", "the native coin has no fresh price, so the day's gas cannot be counted"),)
    if case.gas_day_usd_e8 + burn > limit * USD_E8:
        left = max(limit * USD_E8 - case.gas_day_usd_e8, 0)
        return (Reason("gas", f"gas may cost {usd(burn)}; of max_day_gas_usd {limit:,} there is {usd(left)} left in these 24 h"),)
    return ()


def reserve_kept(case: Case) -> tuple[Reason, ...]:
    """Enough of the native coin stays for the way out, which may use it up: revocations, and whatever reduce-only lets pass. What
    calls carry leaves too, where the account itself pays for gas."""
    cost_wei = gas_wei(case)
    if cost_wei == 0:
        return ()
    carried_wei = sum([call.value_wei for call in case.calls]) if case.payer_wei is None else 0
    own_wei = case.portfolio.idle_raw(case.native) if case.native is not None else 0
    held_wei = own_wei if case.payer_wei is None else case.payer_wei
    reserve_wei = 0 if case.only_revokes or case.reduced else case.policy.min_native_reserve_wei
    if held_wei - carried_wei - cost_wei < reserve_wei:
        carried = f" and the calls carry {carried_wei / WAD:,.6f}" if carried_wei else ""
        costs = f"gas may cost {cost_wei / WAD:,.6f}{carried} of the {held_wei / WAD:,.6f} native coins held"
        text = f"{costs}; {reserve_wei / WAD:,.6f} must stay (min_native_reserve_wei)"
        return (Reason("gas", text),)
    return ()
