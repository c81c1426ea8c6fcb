"""One local node on the loopback interface, on a clock of its own. It never follows the wall clock and never outlives its parent.

Every block comes one second after the one before it, unless a scene jumps: the node is started at the last block's time and told
an interval of one second, which holds over snapshots, reverts and jumps. The base fee follows EIP-1559 from block to block, so it
is a function of the blocks alone; scenes set it to `BASE_FEE_WEI` for their own blocks.
"""

import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.devnet.errors import NodeDied, RpcRefused

CHAIN_ID = 31337
GENESIS_SECONDS = 1_767_225_600  # 2026-01-01T00:00:00Z
BASE_FEE_WEI = 1_000_000_000
BALANCE_ETHER = 10_000_000
START_SECONDS = 30.0
WATCHDOG = 'read -r _; kill -9 "$1" 2>/dev/null'


class Node:
    """A running node. Use it as a context manager, or call `stop`."""

    def __init__(
        self, anvil: Path, *, port: int | None = None, state: Path | None = None, at_seconds: int = GENESIS_SECONDS
    ) -> None:
        self.port = open_port(port or 0)
        self.url = f"http://127.0.0.1:{self.port}"
        loaded = () if state is None else ("--load-state", str(state))
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe that nobody reads would fill and stop the node
        self._process = subprocess.Popen(
            (str(anvil), *arguments(self.port, at_seconds), *loaded),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )
        self._watchdog = watch(self._process.pid)
        with ExitStack() as unfinished:
            unfinished.callback(self.stop)
            self._await_answer()
            self.rpc("anvil_setBlockTimestampInterval", 1)
            unfinished.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process number of the node."""
        return self._process.pid

    def rpc(self, method: str, *params: object) -> Any:
        """The node's answer to one request."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/", body, {"content-type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            raise RpcRefused(method=method, code=int(answer["error"]["code"]), message=str(answer["error"]["message"]))
        return answer["result"]

    def latest(self) -> tuple[int, int, str]:
        """Number, timestamp in seconds and hash of the last block."""
        block = self.rpc("eth_getBlockByNumber", "latest", False)
        return int(block["number"], 16), int(block["timestamp"], 16), str(block["hash"])

    def snapshot(self) -> str:
        """A name for the chain as it is now."""
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Goes back to a snapshot, which is spent by it; a pending jump is forgotten."""
        if self.rpc("evm_revert", snapshot) is not True:
            raise RpcRefused(method="evm_revert", code=0, message=f"there is no snapshot {snapshot}")

    def mine(self) -> None:
        """One block with whatever waits, one second on, or at the time that was set."""
        self.rpc("evm_mine")

    def set_next_block_timestamp(self, timestamp_seconds: int) -> None:
        """The next block comes at exactly this time; those after it one second apart again."""
        self.rpc("evm_setNextBlockTimestamp", timestamp_seconds)

    def set_next_base_fee(self, base_fee_wei: int) -> None:
        """The next block's base fee; the ones after it follow from it."""
        self.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))

    def dump(self) -> str:
        """The whole state as the hex text that `load` takes."""
        return str(self.rpc("anvil_dumpState"))

    def load(self, state: str) -> None:
        """Lays a dumped state over this chain, and takes up its clock."""
        self.rpc("anvil_loadState", state)
        self.rpc("anvil_setTime", self.latest()[1])
        self.rpc("anvil_setBlockTimestampInterval", 1)

    def stop(self) -> None:
        """Ends the node; a second call does nothing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._watchdog.kill()
        self._watchdog.wait()
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        self._said.close()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self.rpc("eth_chainId")
            except (OSError, http.client.HTTPException):
                time.sleep(0.005)
            else:
                return
        raise NodeDied(port=self.port, said=self._last_words())

    def _last_words(self) -> str:
        if self._process.poll() is None:
            return f"no answer in {START_SECONDS:.0f} s"
        self._said.seek(0)
        return self._said.read().decode(errors="replace").strip()[-600:]


def arguments(port: int, at_seconds: int) -> tuple[str, ...]:
    """What the node is started with: everything that would otherwise depend on the day or on a newer default."""
    return (
        *("--host", "127.0.0.1", "--port", str(port), "--no-cors", "--quiet"),
        *("--chain-id", str(CHAIN_ID), "--hardfork", "osaka", "--gas-limit", "30000000"),
        *("--timestamp", str(at_seconds), "--block-base-fee-per-gas", str(BASE_FEE_WEI)),
        *("--balance", str(BALANCE_ETHER)),
        *("--max-persisted-states", "0"),  # else it leaves every older block's state in the user's home, and never takes it away
    )


def open_port(port: int) -> int:
    """This port of the loopback interface, or any for 0. One that is taken is refused: its owner would answer for our node."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as taken:
            raise NodeDied(port=port, said=str(taken)) from taken
        return int(probe.getsockname()[1])


def watch(pid: int) -> subprocess.Popen[bytes]:
    """A process that ends `pid` when this one is gone: its standard input closes with us, however we end."""
    shell = shutil.which("sh") or "/bin/sh"
    return subprocess.Popen(
        (shell, "-c", WATCHDOG, "watchdog", str(pid)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
