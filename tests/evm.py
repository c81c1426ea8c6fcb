"""The built local chain inside this process: the same bytecode and storage, thousands of calls a second, for arithmetic only.

It has no fees, nonces, pool or blocks: what a wallet must survive is tested on the node. Time stands until a test moves it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from eth_abi.abi import decode
from pyrevm import EVM, AccountInfo, BlockEnv, CfgEnv, Env

from agent.devnet.artefacts import ensure
from agent.devnet.chain import DEPLOYMENT, STATE, build, everything_of
from agent.devnet.contracts import argument_types, calldata
from agent.devnet.node import CHAIN_ID, GENESIS_SECONDS
from strategies.domain import NATIVE, Address, Asset, Deployment, Market
from strategies.protocols.adapter import Call
from strategies.protocols.erc20 import BALANCE_OF
from strategies.protocols.registry import deployment_from

GAS = 30_000_000
DEEP = 10**27  # wei; nobody runs out


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call."""

    succeeded: bool
    output: bytes  # what it returned, or why it reverted
    gas_used: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A state to come back to."""

    checkpoint: Any
    timestamp: int
    number: int


class Evm:
    """One in-process chain. `timestamp` is the time of the next call, `number` its block: neither moves the other."""

    def __init__(self, evm: EVM, timestamp: int, content: Mapping[str, Any]) -> None:
        self._evm = evm
        self.timestamp = timestamp
        self.number = 1
        self.content = content

    @classmethod
    def of_devnet(cls) -> Self:
        """The local chain as it was built, from the same cache."""
        folder = build(ensure())
        state = json.loads((folder / STATE).read_text())
        deployment = json.loads((folder / DEPLOYMENT).read_text())
        evm = cls._fresh()
        for address, account in state["accounts"].items():
            balance, nonce = int(str(account["balance"]), 0), int(str(account["nonce"]), 0)
            code = bytes.fromhex(account["code"].removeprefix("0x"))
            evm.insert_account_info(address, AccountInfo(nonce=nonce, code=code or None))
            evm.set_balance(address, balance)
            for slot, word in account["storage"].items():
                evm.insert_account_storage(address, int(slot, 16), int(word, 16))
        chain = cls(evm, int(state["block"]["timestamp"], 16), everything_of(deployment))
        chain.number = int(state["block"]["number"], 16)
        return chain

    @classmethod
    def empty(cls) -> Self:
        """A chain without a contract."""
        return cls(cls._fresh(), GENESIS_SECONDS, {})

    @staticmethod
    def _fresh() -> EVM:
        return EVM(env=Env(cfg=CfgEnv(chain_id=CHAIN_ID)))

    @cached_property
    def deployment(self) -> Deployment:
        """Everything that stands on the chain."""
        return deployment_from(self.content)

    def market(self, market_id: str) -> Market:
        """A market of the deployment."""
        return next(market for market in self.deployment.markets if market.id == market_id)

    @property
    def actors(self) -> Mapping[str, Address]:
        return dict(self.content["actors"])

    @property
    def admin(self) -> Mapping[str, Any]:
        return dict(self.content["admin"])

    def warp(self, seconds: int) -> None:
        """The next call comes so much later."""
        self.timestamp += seconds

    def send(self, sender: Address, call: Call) -> Outcome:
        """One call that stays if it succeeds."""
        return self._called(sender, call)

    def ask(self, calls: Sequence[Call]) -> tuple[bytes, ...]:
        """What each call answers now; nothing stays. A revert is the test's own mistake."""
        answers = []
        for call in calls:
            said = self._called("0x" + "00" * 20, call, stays=False)
            assert said.succeeded, f"0x{call.data[:4].hex()} of {call.target} reverted: 0x{said.output.hex()}"
            answers.append(said.output)
        return tuple(answers)

    def attempt(self, sender: Address, target: Address, signature: str, *arguments: object, value_wei: int = 0) -> Outcome:
        """A call by its signature that may revert."""
        return self.send(sender, Call(target, bytes.fromhex(calldata(signature, *arguments)[2:]), value_wei))

    def transact(self, sender: Address, target: Address, signature: str, *arguments: object, value_wei: int = 0) -> bytes:
        """A call by its signature that must succeed; its answer."""
        said = self.attempt(sender, target, signature, *arguments, value_wei=value_wei)
        assert said.succeeded, f"{signature} reverted: 0x{said.output.hex()}"
        return said.output

    def read(self, target: Address, signature: str, returns: str, *arguments: object) -> tuple[Any, ...]:
        """A view's answer, decoded as the types in `returns`."""
        (answer,) = self.ask((Call(target, bytes.fromhex(calldata(signature, *arguments)[2:])),))
        return tuple(decode(argument_types(returns), answer))

    def balances(self, account: Address, assets: Sequence[Asset]) -> dict[Asset, int]:
        """What an account has in its wallet of each asset."""
        tokens = [asset for asset in assets if asset.address != NATIVE]
        answers = self.ask([Call(token.address, BALANCE_OF.encode(account)) for token in tokens])
        found = {token: int.from_bytes(answer, "big") for token, answer in zip(tokens, answers, strict=True)}
        return {asset: self._evm.get_balance(account) if asset.address == NATIVE else found[asset] for asset in assets}

    def create(self, sender: Address, code: str) -> Address:
        """A new contract from creation code with its arguments appended."""
        self._at_now()
        return str(self._evm.deploy(sender, bytes.fromhex(code.removeprefix("0x")), gas=GAS)).lower()

    def store(self, target: Address, slot: int, word: int) -> None:
        """A word into a contract's storage."""
        self._evm.insert_account_storage(target, slot, word)

    def give_ether(self, account: Address, wei: int) -> None:
        """An account's balance of the native coin, from nowhere."""
        self._evm.set_balance(account, wei)

    def mark(self) -> Mark:
        return Mark(self._evm.snapshot(), self.timestamp, self.number)

    def back(self, mark: Mark) -> None:
        """To a mark, which is spent by it."""
        self._evm.revert(mark.checkpoint)
        self.timestamp = mark.timestamp
        self.number = mark.number

    def _called(self, sender: Address, call: Call, *, stays: bool = True) -> Outcome:
        self._at_now()
        self._evm.reset_transient_storage()
        checkpoint = None if stays else self._evm.snapshot()
        if call.value_wei:
            self._evm.set_balance(sender, max(self._evm.get_balance(sender), DEEP))
        try:
            output = self._evm.message_call(sender, call.target, calldata=call.data, value=call.value_wei, gas=GAS)
        except RuntimeError as reverted:
            return Outcome(False, _reason(str(reverted)), self._gas_used())
        finally:
            if checkpoint is not None:
                self._evm.revert(checkpoint)
        return Outcome(True, bytes(output), self._gas_used())

    def _gas_used(self) -> int:
        result = self._evm.result
        assert result is not None
        return int(result.gas_used)

    def _at_now(self) -> None:
        self._evm.set_block_env(BlockEnv(number=self.number, timestamp=self.timestamp, gas_limit=GAS))


@contextmanager
def undone(evm: Evm) -> Iterator[None]:
    """What happens inside is as if it had not, even where it fails."""
    mark = evm.mark()
    try:
        yield
    finally:
        evm.back(mark)


def _reason(said: str) -> bytes:
    """What a revert returned; the machine tells it in its message only. An exceptional halt returns nothing."""
    found = re.search(r"output: 0x([0-9a-f]*)", said)
    return bytes.fromhex(found[1]) if found else b""
