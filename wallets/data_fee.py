"""What a rollup asks for a transaction's data beside its gas. On the OP stack the chain's own GasPriceOracle is asked for the
most that it may be (getL1FeeUpperBound, since Fjord); Arbitrum counts data into the gas. Refuses an oracle that does not say:
None."""

from collections.abc import Sequence
from typing import Final

from strategies.domain import Address, Deployment
from strategies.protocols.adapter import UINT256, Call, Function
from wallets.endpoints import Endpoint

GAS_PRICE_ORACLE: Final[Address] = "0x420000000000000000000000000000000000000f"  # on every OP-stack chain
UPPER_BOUND: Final = Function("f1c7a58b", UINT256)  # getL1FeeUpperBound(unsignedTxSize)
ENVELOPE_BYTES: Final = 117  # the longest that RLP makes all of an unsigned type-2 transaction but its data
DOUBLINGS: Final = 1  # what the base chain asks may double until the transaction is in a block, and no cap holds it back


def data_fees_wei(endpoint: Endpoint, deployment: Deployment, calls: Sequence[Call]) -> tuple[int, ...] | None:
    """The most that each call's data may cost; nothing where there is no such fee, None where the chain does not say. Raises
    IncompleteRead."""
    if deployment.rollup != "op-stack":
        return ()
    asked = [Call(GAS_PRICE_ORACLE, UPPER_BOUND.encode(ENVELOPE_BYTES + len(call.data))) for call in calls]
    answers = [said for said in endpoint.read(asked, deployment.multicall).results if said is not None and len(said) == 32]
    if len(answers) != len(calls):
        return None
    return tuple([int.from_bytes(said, "big") << DOUBLINGS for said in answers])
