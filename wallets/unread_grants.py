"""Why a call to a collection of tokens, or to Permit2, could not be read back: all that this wallet does there is to take back.
Refuses nothing: it names what was refused. It runs only on calls that are already refused."""

from typing import TypeAlias

from strategies.domain import NATIVE, Deployment
from strategies.protocols import grants
from strategies.protocols.adapter import Call

Flaw: TypeAlias = tuple[str, str]  # a rule and what breaks it


def flaw(call: Call, deployment: Deployment) -> Flaw | None:
    """What is wrong with a call that no adapter reads; None where it is none of these functions of one of these contracts."""
    selector = call.data[:4]
    if call.target == deployment.permit2:
        if selector not in grants.OF_PERMIT2:
            return "selector", "the function is not one this wallet uses there: it only takes allowances back"
        found = _of_permit2(call.data, deployment)
    elif selector in grants.OF_COLLECTIONS and call.target in grants.collections(deployment):
        found = _of_collection(call.data)
    else:
        return None
    return found or ("value", f"it carries {call.value_wei} wei and must carry none")


def _of_collection(data: bytes) -> Flaw | None:
    is_all = data[:4] == grants.SET_APPROVAL_FOR_ALL.selector
    try:
        party, said = (grants.SET_APPROVAL_FOR_ALL if is_all else grants.APPROVE_TOKEN).decode(data)
    except ValueError as error:
        return "calldata", f"its arguments are not this function's canonical words: {error}"
    if is_all and said:
        return "allowance", f"it would let {party} act for every token held there; it must say false"
    if not is_all and party != grants.NOBODY:
        return "allowance", f"it would let {party} act for token {said}; it must name nobody, {grants.NOBODY}"
    return None


def _of_permit2(data: bytes, deployment: Deployment) -> Flaw | None:
    try:
        if data[:4] == grants.LOCKDOWN:
            tokens = [token for token, _ in grants.pairs_of(data)]
        else:
            token, spender, raw, expiry = grants.PERMIT2_APPROVE.decode(data)
            if raw:
                return "allowance", f"it would let {spender} take {raw} base units of {token}; it must say 0 until 0"
            if expiry:
                return "calldata", f"it says 0 until {expiry}; this wallet writes 0 until 0"
            tokens = [str(token)]
    except ValueError as error:
        return "calldata", f"its arguments are not this function's canonical words: {error}"
    listed = {asset.address for asset in deployment.assets if asset.address != NATIVE}
    return next((("asset", f"{token} is no listed asset") for token in tokens if token not in listed), None)
