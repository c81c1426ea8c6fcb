"""A second reader of the chain, built on web3: what it and the wallet's own reader say of one block must be the same.

It is asked by `doctor` only. Where value is decided the strict reader is used alone: web3 converts what it should refuse (a gas
figure without 0x, a log that is no list), and importing it brings signing code into the process. Refuses nothing: it compares."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from strategies.domain import Address
from strategies.errors import EndpointUnusable
from wallets.endpoints import Endpoint
from wallets.recursion import recursion_limit_kept

if TYPE_CHECKING:
    from web3 import Web3

ATTEMPTS: Final = 3  # a block may come between the two readers


def disagreements(url: str, endpoint: Endpoint, account: Address, *, timeout_seconds: int) -> tuple[str, ...]:
    """What the two readers say differently, in words; empty where they agree. Raises EndpointUnusable."""
    with recursion_limit_kept():
        from requests.exceptions import RequestException
        from web3 import HTTPProvider, Web3
        from web3.exceptions import Web3Exception

    other = Web3(HTTPProvider(url, request_kwargs={"timeout": timeout_seconds}, exception_retry_configuration=None))
    for _ in range(ATTEMPTS):
        try:
            found = tuple(_compared(other, endpoint, account))
        except (Web3Exception, RequestException, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            # web3 raises any of these on a malformed answer; its text may repeat the address with its secret
            raise EndpointUnusable(endpoint=endpoint.rpc.name, why=f"web3 cannot read it ({type(error).__name__})") from None
        if not found:
            break
    return found


def _compared(other: "Web3", endpoint: Endpoint, account: Address) -> Iterator[str]:
    block, ours = other.eth.get_block("latest"), endpoint.read_header()
    checksummed = other.to_checksum_address(account)
    for what, theirs, mine in (
        ("the chain id", other.eth.chain_id, endpoint.chain_id()),
        ("the last block", block.get("number"), ours.number),
        ("its hash", block["hash"].to_0x_hex(), ours.hash),
        ("its time", block.get("timestamp"), ours.timestamp),
        ("its base fee", block.get("baseFeePerGas"), ours.base_fee_wei),
        ("the account's nonce", other.eth.get_transaction_count(checksummed), endpoint.nonce(account, "latest")),
        ("the account's balance", other.eth.get_balance(checksummed), endpoint.balance_wei(account)),
    ):
        if theirs != mine:
            yield f"{what}: web3 reads {theirs}, the wallet reads {mine}"
