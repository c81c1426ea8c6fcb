"""What our strict reader reads of a real chain is what web3 reads of it."""

import pytest
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3

from strategies.domain import Supply
from strategies.protocols import registry
from tests.wallets.chain import Chain
from wallets.endpoints import Log

pytestmark = pytest.mark.chain
ACCOUNT = "0x" + "ab" * 20


def test_header_receipt_events_nonce_balance_code_and_fees_are_what_web3_reads(chain: Chain) -> None:
    chain.fund(ACCOUNT)
    chain.devnet.node.rpc("anvil_impersonateAccount", ACCOUNT)
    market, ours, theirs = chain.market("aave-core:USDC"), chain.endpoint(), Web3(HTTPProvider(chain.url)).eth
    account = Web3.to_checksum_address(ACCOUNT)
    for call in registry.encode(Supply(market, chain.usdc(1_000)), ACCOUNT):
        sent = {"from": ACCOUNT, "to": call.target, "data": "0x" + call.data.hex(), "gas": hex(1_000_000)}
        transaction = str(chain.devnet.node.rpc("eth_sendTransactionSync", sent)["transactionHash"])
        mined, receipt = ours.receipt(transaction), theirs.get_transaction_receipt(HexBytes(transaction))
        assert mined is not None
        assert (mined.block, mined.block_hash) == (receipt["blockNumber"], receipt["blockHash"].to_0x_hex())
        assert (mined.succeeded, mined.gas_used) == (receipt["status"] == 1, receipt["gasUsed"])
        assert mined.gas_price_wei == receipt["effectiveGasPrice"]
        assert mined.logs == tuple(
            Log(log["address"].lower(), tuple(bytes(topic) for topic in log["topics"]), bytes(log["data"]))
            for log in receipt["logs"]
        )
    header, block = ours.read_header(), theirs.get_block("latest")
    assert (header.number, header.hash) == (block["number"], block["hash"].to_0x_hex())
    assert (header.timestamp, header.base_fee_wei) == (block["timestamp"], block["baseFeePerGas"])
    assert (ours.chain_id(), ours.nonce(ACCOUNT, "latest")) == (theirs.chain_id, theirs.get_transaction_count(account))
    assert ours.balance_wei(ACCOUNT) == theirs.get_balance(account)
    assert ours.code([market.address]) == (bytes(theirs.get_code(Web3.to_checksum_address(market.address))),)
    assert ours.fees().priority_fee_wei == theirs.max_priority_fee
