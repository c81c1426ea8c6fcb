"""Whether the contracts are still those that a person pinned. Refuses an address that is called or asked and is not pinned, and
one whose code is another: both by the address."""

from strategies.domain import NATIVE, Deployment
from wallets.endpoints import Endpoint, code_digest


def otherwise(endpoint: Endpoint, deployment: Deployment) -> str:
    """Empty where every address carries the code that was pinned, or which does not; one request. Raises EndpointUnusable."""
    tokens = [asset.address for asset in deployment.assets if asset.address != NATIVE]
    roles = [address for market in deployment.markets for _, address in market.contracts]
    used = {deployment.multicall, *tokens, *[market.address for market in deployment.markets], *roles}
    if unpinned := sorted(used - deployment.code.keys()):
        return f"the deployment pins no code for {unpinned[0]}: add its keccak to the deployment's code"
    addresses = tuple(deployment.code)
    for address, code in zip(addresses, endpoint.code(addresses), strict=True):
        if code_digest(code) != deployment.code[address]:
            return f"the code at {address} is not what the deployment pins: look at what changed, then pin it again"
    return ""
