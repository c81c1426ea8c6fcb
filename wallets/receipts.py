"""What happened to a plan, from the chain's own receipts: fees, and every token that came or went. Refuses to write a receipt
while one of its transactions cannot be found, and to forget what a plan spent while a second endpoint does not confirm that it
moved nothing."""

from collections.abc import Collection, Iterator, Sequence

from strategies.domain import Address, Asset, Deployment, Market
from strategies.errors import EndpointRefused, EndpointUnusable, IncompleteRead, ReceiptTimeout, UnsupportedState
from strategies.protocols import erc20, uniswap_router, wrapped_native
from strategies.protocols.registry import idle_assets
from strategies.tape import price_of
from strategies.units import WAD, mul_div_up
from wallets import reading as blocks
from wallets.endpoints import Endpoint, Log, Mined
from wallets.safe import Seat, sender
from wallets.store import Signed
from wallets.wallet import Receipt, TokenTransfer, Transaction


def receipt_of(
    endpoint: Endpoint, deployment: Deployment, seat: Seat, *, intent: str, signed: Sequence[Signed], note: str
) -> Receipt:
    """The receipt of what was mined of an intent; a note says why the rest was not. Raises ReceiptTimeout."""
    found = [_found(endpoint, one) for one in signed if one.state in {"mined", "failed"}]
    payer = sender(seat)
    return Receipt(
        intent=intent,
        transactions=tuple([_transaction(endpoint, mined, payer if payer != seat.account else None) for mined in found]),
        transfers=tuple([transfer for mined in found for transfer in transfers_of(mined, deployment, seat.account)]),
        complete=not note,
        note=note,
    )


def moved_nothing(
    receipt: Receipt, second: Endpoint | None, deployment: Deployment, seat: Seat, *, signed: Sequence[Signed]
) -> bool:
    """Whether a plan cost gas at most. Where there is a second endpoint its receipts must say so too: what one node hides would
    come off the day's limits."""
    if receipt.transfers or second is None:
        return not receipt.transfers
    try:
        found = {one.hash: second.receipt(one.hash) for one in signed}
    except (EndpointUnusable, EndpointRefused):
        return False
    has_all = all(found[mined.hash] is not None for mined in receipt.transactions)
    said = [mined for mined in found.values() if mined is not None]
    return has_all and not any(any(transfers_of(mined, deployment, seat.account)) for mined in said)


def transfers_of(mined: Mined, deployment: Deployment, account: Address) -> Iterator[TokenTransfer]:
    """Every Transfer event of our tokens that touched the account, in order; what counts a market's shares is no such token."""
    tokens: dict[Address, Asset] = {asset.address: asset for asset in idle_assets(deployment)}
    wrappings = {market.address: market for market in deployment.markets if market.protocol == wrapped_native.PROTOCOL}
    routers = {market.address for market in deployment.markets if market.protocol == uniswap_router.PROTOCOL}
    for log in mined.logs:
        if log.address in wrappings:
            yield from _wrapped(log, wrappings[log.address], account, routers)
        moved = erc20.decode_transfer(log.topics, log.data)
        if moved is not None and log.address in tokens and account in moved[:2]:
            sender, recipient, raw = moved
            yield TokenTransfer(tokens[log.address], sender, recipient, raw)


def _wrapped(log: Log, market: Market, account: Address, routers: Collection[Address]) -> Iterator[TokenTransfer]:
    """What a wrapped coin says when it is made or unmade: it sends no Transfer, and the coin itself says nothing. What a router
    makes or unmakes in a transaction of ours is a trade's coin, taken from us or paid to us."""
    found = wrapped_native.decode_event(log.topics, log.data)
    if found is None or found[0] not in {account, *routers}:
        return
    owner, raw = found
    (coin,), token = market.others, market.asset
    other = market.address if owner == account else owner
    giver, taker = (account, other) if raw > 0 else (other, account)
    yield TokenTransfer(coin, giver, taker, abs(raw))
    if owner == account:
        yield TokenTransfer(token, taker, giver, abs(raw))


def _found(endpoint: Endpoint, signed: Signed) -> Mined:
    mined = endpoint.receipt(signed.hash)
    if mined is None:
        raise ReceiptTimeout(transaction_hash=signed.hash, waited_seconds=0)
    return mined


def _transaction(endpoint: Endpoint, mined: Mined, payer: Address | None) -> Transaction:
    return Transaction(
        hash=mined.hash,
        block=mined.block,
        timestamp=endpoint.header(mined.block).timestamp,
        gas_used=mined.gas_used,
        fee_wei=mined.gas_used * mined.gas_price_wei + mined.data_fee_wei,
        succeeded=mined.succeeded,
        payer=payer,
    )


def burnt_usd_e8(
    endpoint: Endpoint, deployment: Deployment, account: Address, receipt: Receipt, hashes: Collection[str]
) -> int | None:
    """What these transactions of a receipt burnt, at the price now; None where there is none, or the block is not read."""
    native = deployment.native
    try:
        reading, _ = blocks.read(endpoint, deployment, account)
    except (IncompleteRead, UnsupportedState):
        return None
    price = price_of(reading.quotes, native) if native is not None else None
    fee_wei = sum([mined.fee_wei for mined in receipt.transactions if mined.hash in hashes])
    return None if price is None else mul_div_up(fee_wei, price, WAD)
