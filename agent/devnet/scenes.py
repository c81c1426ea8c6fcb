"""Things that happen on the local chain while an agent looks on. None is random, none waits, none signs.

Same calls on the same chain make the same blocks. A scene acts as the deployment's own actors and as nobody else; time passes by
one block at exactly the time that was asked for. An impossible scene raises `SceneReverted` and leaves its failed block behind.
"""

from dataclasses import dataclass

from agent.devnet import feed
from agent.devnet.aave_v3 import VARIABLE
from agent.devnet.chain import Devnet
from agent.devnet.contracts import read_integer, send, transact
from agent.devnet.node import BASE_FEE_WEI


@dataclass(frozen=True, slots=True)
class Happened:
    """What a scene did, and the last block it made."""

    what: str
    block_number: int
    timestamp_seconds: int
    block_hash: str


def fund(devnet: Devnet, account: str, *, usdc_raw: int = 0, dai_raw: int = 0, weth_raw: int = 0, ether_wei: int = 0) -> Happened:
    """Gives an account tokens and ether: one block for each that is not zero, two for wrapped ether."""
    node, deployer = devnet.node, devnet.actor("deployer")
    for symbol, amount_raw in (("USDC", usdc_raw), ("DAI", dai_raw)):
        if amount_raw:
            transact(node, deployer, devnet.token(symbol), "mint(address,uint256)", account, amount_raw)
    if weth_raw:
        transact(node, deployer, devnet.token("WETH"), "deposit()", value_wei=weth_raw)
        transact(node, deployer, devnet.token("WETH"), "transfer(address,uint256)", account, weth_raw)
    if ether_wei:
        send(node, {"from": deployer, "to": account, "value": hex(ether_wei)}, "a transfer of ether")
    return happened(devnet, f"funded {account}")


def borrower_draws(devnet: Devnet, market_id: str, amount_raw: int) -> Happened:
    """A rate shock: the borrower borrows exactly this much more, in one transaction."""
    market, borrower = devnet.market(market_id), devnet.actor("borrower")
    arguments = (market["asset"], amount_raw, VARIABLE, 0, borrower)
    transact(devnet.node, borrower, market["address"], "borrow(address,uint256,uint256,uint16,address)", *arguments)
    return happened(devnet, f"the borrower drew {amount_raw} from {market_id}")


def borrower_repays(devnet: Devnet, market_id: str, amount_raw: int) -> Happened:
    """The borrower pays back exactly this much, in one transaction."""
    market, borrower = devnet.market(market_id), devnet.actor("borrower")
    arguments = (market["asset"], amount_raw, VARIABLE, borrower)
    transact(devnet.node, borrower, market["address"], "repay(address,uint256,uint256,address)", *arguments)
    return happened(devnet, f"the borrower repaid {amount_raw} to {market_id}")


def lender_supplies(devnet: Devnet, market_id: str, amount_raw: int) -> Happened:
    """The lender supplies exactly this much more, in one transaction."""
    market, lender = devnet.market(market_id), devnet.actor("lender")
    arguments = (market["asset"], amount_raw, lender, 0)
    transact(devnet.node, lender, market["address"], "supply(address,uint256,address,uint16)", *arguments)
    return happened(devnet, f"the lender supplied {amount_raw} to {market_id}")


def lender_withdraws(devnet: Devnet, market_id: str, amount_raw: int) -> Happened:
    """The lender withdraws exactly this much, in one transaction."""
    market, lender = devnet.market(market_id), devnet.actor("lender")
    arguments = (market["asset"], amount_raw, lender)
    transact(devnet.node, lender, market["address"], "withdraw(address,uint256,address)", *arguments)
    return happened(devnet, f"the lender withdrew {amount_raw} from {market_id}")


def drain(devnet: Devnet, market_id: str) -> Happened:
    """The borrower draws all that is there, in one transaction: utilisation is one and nobody can withdraw.

    Wrapped ether is the borrower's collateral, so its reserves cannot be drained and the attempt reverts.
    """
    return borrower_draws(devnet, market_id, available_raw(devnet, market_id))


def pass_time(devnet: Devnet, seconds: int) -> Happened:
    """One empty block, exactly this many seconds after the last."""
    devnet.node.set_next_block_timestamp(devnet.node.latest()[1] + seconds)
    empty_block(devnet)
    return happened(devnet, f"{seconds} s passed")


def price_falls(devnet: Devnet, symbol: str, usd_e8: int) -> Happened:
    """Both oracles give this price from the next block on, which it mines. The number may also be a rise."""
    for market in ("core", "prime"):
        feed.answer(devnet.node, devnet.deployment["admin"][market]["feeds"][symbol], usd_e8)
    empty_block(devnet)
    return happened(devnet, f"{symbol} is at {usd_e8} (1e8)")


def feed_freezes(devnet: Devnet, symbol: str) -> Happened:
    """Both feeds of a token say from the next block on, which it mines, that they were last updated in the block before."""
    updated_seconds = devnet.node.latest()[1]
    for market in ("core", "prime"):
        feed.freeze(devnet.node, devnet.deployment["admin"][market]["feeds"][symbol], updated_seconds)
    empty_block(devnet)
    return happened(devnet, f"the feeds of {symbol} stand still at {updated_seconds}")


def available_raw(devnet: Devnet, market_id: str) -> int:
    """What a reserve could pay out now."""
    market = devnet.market(market_id)
    return read_integer(devnet.node, market["asset"], "balanceOf(address)", market["contracts"]["receipt"])


def empty_block(devnet: Devnet) -> None:
    """One block at the constant base fee."""
    devnet.node.set_next_base_fee(BASE_FEE_WEI)
    devnet.node.mine()


def happened(devnet: Devnet, what: str) -> Happened:
    """The record of a scene that ended in the last block."""
    number, timestamp_seconds, block_hash = devnet.node.latest()
    return Happened(what, number, timestamp_seconds, block_hash)
