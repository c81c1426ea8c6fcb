"""What happened to a plan, from the chain's own receipts: fees, and every token that came or went. Refuses to write a receipt
while one of its transactions cannot be found."""

from collections.abc import Iterator, Sequence

from strategies.domain import Address, Asset, Deployment
from strategies.errors import ReceiptTimeout
from strategies.protocols import erc20
from strategies.protocols.registry import idle_assets
from wallets.endpoints import Endpoint, Mined
from wallets.store import Signed
from wallets.wallet import Receipt, TokenTransfer, Transaction


def receipt_of(
    endpoint: Endpoint, deployment: Deployment, account: Address, *, intent: str, signed: Sequence[Signed], note: str
) -> Receipt:
    """The receipt of what was mined of an intent; a note says why the rest was not. Raises ReceiptTimeout."""
    found = [_found(endpoint, one) for one in signed if one.state in {"mined", "failed"}]
    return Receipt(
        intent=intent,
        transactions=tuple([_transaction(endpoint, mined) for mined in found]),
        transfers=tuple([transfer for mined in found for transfer in transfers_of(mined, deployment, account)]),
        complete=not note,
        note=note,
    )


def transfers_of(mined: Mined, deployment: Deployment, account: Address) -> Iterator[TokenTransfer]:
    """Every Transfer event of our tokens that touched the account, in order; what counts a market's shares is no such token."""
    tokens: dict[Address, Asset] = {asset.address: asset for asset in idle_assets(deployment)}
    for log in mined.logs:
        moved = erc20.decode_transfer(log.topics, log.data)
        if moved is not None and log.address in tokens and account in moved[:2]:
            sender, recipient, raw = moved
            yield TokenTransfer(tokens[log.address], sender, recipient, raw)


def _found(endpoint: Endpoint, signed: Signed) -> Mined:
    mined = endpoint.receipt(signed.hash)
    if mined is None:
        raise ReceiptTimeout(transaction_hash=signed.hash, waited_seconds=0)
    return mined


def _transaction(endpoint: Endpoint, mined: Mined) -> Transaction:
    return Transaction(
        hash=mined.hash,
        block=mined.block,
        timestamp=endpoint.header(mined.block).timestamp,
        gas_used=mined.gas_used,
        fee_wei=mined.gas_used * mined.gas_price_wei,
        succeeded=mined.succeeded,
    )
