"""A Safe on the whole local chain with the role that a policy derives, set up by its owners as `wallet safe plan` tells them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from eth_account import Account

from agent.devnet import scenes
from agent.devnet.artefacts import ensure
from agent.devnet.chain import Devnet
from agent.devnet.contracts import create
from agent.devnet.errors import RpcRefused
from agent.devnet.safe import OwnedSafe, create_safe, execute_as_owners
from agent.devnet.yard import code_hash
from agent.verify.attacks.compiling import stand_ins
from strategies.domain import Address, Deployment, Market
from strategies.protocols.adapter import ADDRESS, UINT256, Call
from strategies.protocols.registry import deployment_from
from strategies.units import WAD
from tests.wallets.chain import policy_for
from tests.wallets.live_parts import KEY, OPERATOR
from wallets import safe
from wallets.permissions import Anything, AtMost, Exactly, Inside, Role, Spent, TheSafe, Variant, Word
from wallets.policy import Policy
from wallets.roles import setup

MEMBER: Final[Address] = Account.from_key(KEY).address.lower()
CENTS: Final = {"USDC": 100, "DAI": 100, "WETH": 300_000, "ETH": 300_000, "stETH": 300_000, "wstETH": 350_000}
NUMBER: Final = 1_000  # where any will do
PASSED: Final = "passed"  # by the role and by the contract
FAILED: Final = "failed"  # passed by the role, refused by the contract
ERRORS: Final = {
    "0xd0a9bf58": "condition",  # ConditionViolation(uint8,bytes32)
    "0xfd8e9f28": "member",  # NoMembership()
    "0xd27b44a9": FAILED,  # ModuleTransactionFailed()
    "0x4a0bfec1": "module",  # NotAuthorized(address)
    "0xd22f1ad2": "caller",  # our guard's NotTheRoles(address)
    "0xd20a5b16": "delegate call",  # its DelegateCall(address)
    "0x2bfd20c2": "own machinery",  # its OwnMachinery(address)
}


@dataclass(frozen=True, slots=True)
class SafeWorld:
    """The chain, the Safe, the policy that names it and the role that was set up from that policy."""

    devnet: Devnet
    deployment: Deployment
    owned: OwnedSafe
    policy: Policy
    role: Role

    def market(self, market_id: str) -> Market:
        return next(market for market in self.deployment.markets if market.id == market_id)

    def asked(self, call: Call, sender: Address = MEMBER) -> str:
        """What would become of a call through the role."""
        return self.outcome(safe.outer(safe.seat_of(self.policy), call), sender)

    def outcome(self, transaction: Call, sender: Address) -> str:
        """What would become of a transaction: passed, failed, or the name or selector of what refused it."""
        content = {"from": sender, "to": transaction.target, "data": "0x" + transaction.data.hex(), "gas": hex(10_000_000)}
        try:
            self.devnet.node.rpc("eth_call", content, "latest")
        except RpcRefused as refused:
            found = re.search(r"custom error (0x[0-9a-f]{8})", refused.message)
            return ERRORS.get(found[1], found[1]) if found else refused.message
        return PASSED

    def do(self, calls: Sequence[Call]) -> tuple[bool, ...]:
        """Each through the role, mined; whether it succeeded."""
        return tuple([self._mined(safe.outer(safe.seat_of(self.policy), call)) for call in calls])

    def _mined(self, transaction: Call) -> bool:
        node = self.devnet.node
        sent = {"from": MEMBER, "to": transaction.target, "data": "0x" + transaction.data.hex(), "gas": hex(10_000_000)}
        return int(node.rpc("eth_sendTransactionSync", sent)["status"], 16) == 1


def make_world(devnet: Devnet, **limits: object) -> SafeWorld:
    """A funded Safe of two owners, with everything on the chain listed in its policy and its role set up."""
    node = devnet.node
    owners = [str(account).lower() for account in node.rpc("eth_accounts")][5:7]
    owned = create_safe(node, ensure(), owners)
    everything = deployment_from(devnet.everything)
    permit2 = create(node, devnet.actor("deployer"), stand_ins(ensure())["PermitTwo"].linked({}))
    known = {**everything.code, **owned.code(node), permit2: code_hash(node, permit2)}
    deployment = replace(everything, code=known, permit2=permit2)
    table = {
        "singleton": owned.singleton,
        "roles": owned.roles,
        "guard": owned.guard,
        "role": "agent",
        "retired_roles": ("agent-before",),
        "member": MEMBER,
        "prices": tuple({"symbol": symbol, "cents": cents} for symbol, cents in CENTS.items()),
    }
    listed = {
        "treasury": devnet.actor("treasury"),
        "borrow_markets": tuple(market.id for market in deployment.markets),
        "safe": table,
    }
    policy = policy_for(owned.safe, deployment, OPERATOR, **(listed | limits))
    made = setup(policy, deployment)
    execute_as_owners(node, owned, made.calls)
    scenes.fund(devnet, owned.safe, usdc_raw=100_000 * 10**6, ether_wei=100 * WAD)
    scenes.fund(devnet, MEMBER, usdc_raw=0, ether_wei=10 * WAD)
    node.rpc("anvil_impersonateAccount", MEMBER)
    return SafeWorld(devnet, deployment, owned, policy, made.role)


@dataclass(frozen=True, slots=True)
class Sample:
    """A call of one form, each number that it bounds as large as it may be, and where its pinned words stand."""

    call: Call
    variant: Variant
    pinned: tuple[slice, ...]


def samples(world: SafeWorld) -> tuple[Sample, ...]:
    """One of each form that the role has."""
    return tuple(
        [
            _sample(world, permission.target, permission.selector, variant)
            for permission in world.role.permissions
            for variant in permission.variants
        ]
    )


def _sample(world: SafeWorld, target: Address, selector: bytes, variant: Variant) -> Sample:
    data, pinned = selector, list[slice]()
    numbers = count(NUMBER)
    for bound in variant.words:
        words = bound.words if isinstance(bound, Inside) else (bound,)
        if isinstance(bound, Inside):
            inside = bound.selector + bytes(32 * len(words))
            pinned += [
                slice(len(data) + 32 * at, len(data) + 32 * at + 32) for at in range(3)
            ]  # its length has a test of its own
            data += b"".join([UINT256.pack(number) for number in (64, 1, 32, len(inside))]) + bound.selector
            pinned.append(slice(len(data) - 4, len(data)))
        for word in words:
            pinned += [slice(len(data), len(data) + 32)] if isinstance(word, Exactly | TheSafe) else []
            data += _written(world, word, next(numbers))
        data += bytes(28) if isinstance(bound, Inside) else b""
    return Sample(Call(target, data, NUMBER if variant.carries is not None else 0), variant, tuple(pinned))


def _written(world: SafeWorld, word: Word, number: int) -> bytes:
    match word:
        case Exactly(word=exact):
            return exact
        case TheSafe():
            return ADDRESS.pack(world.owned.safe)
        case Anything():
            return UINT256.pack(number)
        case AtMost(raw=raw) | Spent(most_raw=raw):
            return UINT256.pack(raw)
