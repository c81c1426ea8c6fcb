"""A live wallet in the test's own process: a key known to the test, an operator, a store in a folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eth_account import Account

from strategies.domain import Address, Plan, Supply
from tests.wallets.chain import Chain, policy_for
from wallets import operators
from wallets.endpoints import Endpoint
from wallets.journal import Journal
from wallets.live import LiveWallet
from wallets.pause import Held
from wallets.policy import Operator
from wallets.sending import Halts, Parts
from wallets.signer import Signer
from wallets.store import Store
from wallets.wallet import Approved, Yes

KEY: Final = b"\x42" * 32
ACCOUNT: Final[Address] = Account.from_key(KEY).address.lower()
ADA: Final = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
EVE: Final = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
OPERATOR: Final = Operator(name="ada", public_key=operators.public_key(ADA))


@dataclass
class Switch:
    """What would halt the wallet, for a test to flip."""

    paused: str = ""
    reduced: str = ""
    ending: bool = False
    asked: Callable[[], None] = field(default=lambda: None)

    def why(self) -> Held:
        self.asked()
        return Held(self.paused, self.reduced)


@dataclass(frozen=True)
class Bench:
    """A wallet and what it is made of."""

    wallet: LiveWallet
    parts: Parts
    switch: Switch

    def approved(self, plan: Plan, intent: str = "one") -> Approved:
        verdict = self.wallet.judge(plan, intent)
        assert isinstance(verdict, Approved), verdict
        return verdict


def said_yes(key: Ed25519PrivateKey, name: str, digest: str) -> Yes:
    """A yes to any digest, as a program that checks nothing would write it."""
    return Yes(name, digest, key.sign(f"usufruct approval v1\n{name}\n{digest}\n".encode()).hex())


def yes(approved: Approved) -> tuple[Yes, ...]:
    return (said_yes(ADA, "ada", approved.digest),)


def supply_plan(chain: Chain, whole: int = 1_000, market_id: str = "aave-core:USDC") -> Plan:
    """Lend so many dollars, as of the latest block."""
    block = chain.devnet.node.latest()[0]
    return Plan((Supply(chain.market(market_id), chain.usdc(whole)),), block, "to earn")


def look_after(at: Bench) -> None:
    """What an idle keeper does about plans that were left: a look at each, and again until nothing moves."""
    for _ in range(20):
        for known in at.wallet.unfinished():
            at.wallet.look_after(known.intent)
        unfinished = at.wallet.unfinished()
        if not any(signed.state == "sent" for known in unfinished for signed in at.parts.store.signed(known.intent)):
            return
        time.sleep(0.02)


@contextmanager
def bench(
    chain: Chain, folder: Path, *, url: str | None = None, patience_seconds: float = 5, **limits: object
) -> Iterator[Bench]:
    """A wallet over the folder's store; opened again over the same folder, it is the same wallet after a restart."""
    endpoint, switch = Endpoint(url or chain.url, timeout_seconds=5), Switch()
    with Store(folder / "keeper.sqlite") as store:
        parts = Parts(
            policy=policy_for(ACCOUNT, chain.deployment, OPERATOR, **limits),
            deployment=chain.deployment,
            endpoint=endpoint,
            store=store,
            journal=Journal(store),
            signer=Signer(Account.from_key(KEY)),
            halts=Halts(switch.why, lambda: switch.ending),
            patience_seconds=patience_seconds,
        )
        yield Bench(LiveWallet(parts), parts, switch)
