"""Two readers of one chain: they agree on an honest endpoint, and a difference is told in words."""

import pytest

from agent.devnet import scenes
from agent.devnet.chain import Devnet
from agent.witness import disagreements
from strategies.errors import EndpointUnusable
from strategies.units import WAD
from tests.agent.loopback import said, serving
from wallets.endpoints import Endpoint

ACCOUNT = "0x" + "ab" * 20


@pytest.mark.chain
def test_two_readers_agree_on_an_honest_chain_and_tell_two_chains_apart() -> None:
    with Devnet.start() as here, Devnet.start() as elsewhere:
        scenes.fund(here, ACCOUNT, ether_wei=WAD)
        ours = Endpoint(here.url, timeout_seconds=10)
        assert disagreements(here.url, ours, ACCOUNT, timeout_seconds=10) == ()
        found = disagreements(elsewhere.url, ours, ACCOUNT, timeout_seconds=10)
    assert any(line.startswith("the last block") for line in found)
    assert any(line.startswith("the account's balance") for line in found)


def test_an_answer_that_web3_cannot_read_is_an_unusable_endpoint_and_no_secret_is_told() -> None:
    with serving(lambda path, body: said(["no answer"])) as server:
        url = f"{server.url}/key-s3cret"
        with pytest.raises(EndpointUnusable) as caught:
            disagreements(url, Endpoint(url, timeout_seconds=5), ACCOUNT, timeout_seconds=5)
    assert "s3cret" not in str(caught.value)
