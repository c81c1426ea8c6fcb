"""The node: its clock, its snapshots, its determinism and its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.devnet.artefacts import Artefacts
from agent.devnet.chain import Devnet
from agent.devnet.errors import NodeDied, RpcRefused
from agent.devnet.node import BASE_FEE_WEI, CHAIN_ID, GENESIS_SECONDS, Node, arguments

pytestmark = pytest.mark.chain

ORPHAN = """
import sys, time
from pathlib import Path
from agent.devnet.node import Node
print(Node(Path(sys.argv[1])).pid, flush=True)
time.sleep(60)
"""


def test_starts_at_the_genesis_time_on_the_local_chain_id(artefacts: Artefacts) -> None:
    with Node(artefacts.anvil) as node:
        assert node.latest()[:2] == (0, GENESIS_SECONDS)
        assert int(node.rpc("eth_chainId"), 16) == CHAIN_ID
        assert int(node.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16) == BASE_FEE_WEI


def test_every_block_comes_one_second_after_the_one_before(devnet: Devnet) -> None:
    number, seconds, _ = devnet.node.latest()
    for step in range(1, 4):
        devnet.node.mine()
        assert devnet.node.latest()[:2] == (number + step, seconds + step)


def test_waiting_on_the_wall_clock_does_not_move_the_chain(devnet: Devnet) -> None:
    seconds = devnet.node.latest()[1]
    time.sleep(1.1)
    devnet.node.mine()
    assert devnet.node.latest()[1] == seconds + 1


def test_a_jump_is_exact_and_the_next_block_is_one_second_later(devnet: Devnet) -> None:
    seconds = devnet.node.latest()[1]
    devnet.node.set_next_block_timestamp(seconds + 86_400)
    devnet.node.mine()
    assert devnet.node.latest()[1] == seconds + 86_400
    devnet.node.mine()
    assert devnet.node.latest()[1] == seconds + 86_401


def test_the_clock_holds_after_a_revert_and_forgets_a_pending_jump(devnet: Devnet) -> None:
    before = devnet.node.latest()
    snapshot = devnet.node.snapshot()
    devnet.node.set_next_block_timestamp(before[1] + 1_000_000)
    devnet.node.mine()
    devnet.node.set_next_block_timestamp(before[1] + 2_000_000)
    devnet.node.revert(snapshot)
    assert devnet.node.latest() == before
    devnet.node.mine()
    assert devnet.node.latest()[1] == before[1] + 1


def test_a_revert_to_an_unknown_snapshot_is_refused(devnet: Devnet) -> None:
    with pytest.raises(RpcRefused, match="no snapshot"):
        devnet.node.revert("0xffff")


def test_a_loaded_state_takes_its_clock_with_it(devnet: Devnet, artefacts: Artefacts) -> None:
    number, seconds, block_hash = devnet.node.latest()
    state = devnet.node.dump()
    with Node(artefacts.anvil) as other:
        other.load(state)
        assert other.latest() == (number, seconds, block_hash)
        other.mine()
        assert other.latest()[1] == seconds + 1


def test_an_unknown_method_is_refused_by_name(devnet: Devnet) -> None:
    with pytest.raises(RpcRefused, match="no_such_method"):
        devnet.node.rpc("no_such_method")


def test_a_port_that_is_taken_is_refused_before_its_owner_is_asked_anything(devnet: Devnet, artefacts: Artefacts) -> None:
    with pytest.raises(NodeDied, match=str(devnet.node.port)):
        Node(artefacts.anvil, port=devnet.node.port)


def test_a_node_that_ends_at_once_is_reported_with_its_own_words(artefacts: Artefacts, tmp_path: Path) -> None:
    broken = tmp_path / "state.json"
    broken.write_text("not a state")
    with pytest.raises(NodeDied, match="not running"):
        Node(artefacts.anvil, state=broken)


def test_stopping_twice_does_nothing_more(artefacts: Artefacts) -> None:
    node = Node(artefacts.anvil)
    node.stop()
    node.stop()
    assert not is_alive(node.pid)


def test_the_node_dies_when_its_parent_is_killed(artefacts: Artefacts) -> None:
    parent = subprocess.Popen((sys.executable, "-c", ORPHAN, str(artefacts.anvil)), stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as said:
        pid = int(said.readline())
    assert is_alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    patience = iter(range(500))
    while is_alive(pid) and next(patience, None) is not None:
        time.sleep(0.01)
    assert not is_alive(pid)


def test_the_node_listens_on_the_loopback_interface_only() -> None:
    said = arguments(1, GENESIS_SECONDS)
    assert said[said.index("--host") + 1] == "127.0.0.1"


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
