"""What an attacker who owns the planner proposes in the demo: exact bytes that would work on the chain if nobody read them."""

from dataclasses import dataclass, replace

from agent.devnet.chain import Devnet
from agent.devnet.contracts import read_integer, send, transact
from strategies.domain import ALL, Address, Amount, Approve, Position, Supply, Transfer, Withdraw
from strategies.protocols import registry
from strategies.protocols.adapter import Call
from strategies.tape import Observation
from strategies.units import MAX_UINT256


@dataclass(frozen=True, slots=True)
class Attack:
    """A proposal, and the rule that must refuse it."""

    title: str
    rule: str
    calls: tuple[Call, ...]


def attacks(seen: Observation, stranger: Address) -> tuple[Attack, ...]:
    """Five ways to take what the account holds: its idle funds and its first claim."""
    account, claim = seen.account, seen.portfolio.positions[0]
    asset = claim.market.asset
    idle = Amount(asset, seen.portfolio.idle_raw(asset))
    supply = registry.encode(Supply(claim.market, idle), account)
    return (
        Attack("send all idle USDC to a stranger", "beneficiary", registry.encode(Transfer(idle, stranger), account)),
        Attack(
            "let a stranger take USDC without limit",
            "allowance",
            registry.encode(Approve(Amount(asset, MAX_UINT256), stranger), account),
        ),
        Attack(
            f"withdraw everything from {claim.market.id}, to a stranger",
            "beneficiary",
            _for(stranger, account, registry.encode(Withdraw(claim.market, ALL), account)),
        ),
        Attack(
            f"supply to {claim.market.id}, in a stranger's name",
            "beneficiary",
            (supply[0], *_for(stranger, account, supply[1:])),
        ),
        Attack("send the receipt tokens to a stranger", "target", (_receipts_to(stranger, claim),)),
    )


def unguarded_loss_raw(devnet: Devnet, account: Address, attack: Attack) -> int:
    """What the stranger gains, in base units of USDC, when the account simply sends the calls and the stranger takes what
    they allow. The chain is put back as it was."""
    node, usdc, stranger = devnet.node, devnet.token("USDC"), devnet.actor("stranger")
    before_raw, snapshot = _wealth_raw(devnet, stranger), node.snapshot()
    node.rpc("anvil_impersonateAccount", account)
    for call in attack.calls:
        sent = {"from": account, "to": call.target, "data": "0x" + call.data.hex(), "value": hex(call.value_wei)}
        send(node, sent, attack.title)  # waits for its block; a call that would revert is no attack
    allowed_raw = read_integer(node, usdc, "allowance(address,address)", account, stranger)
    if taken_raw := min(allowed_raw, read_integer(node, usdc, "balanceOf(address)", account)):
        transact(node, stranger, usdc, "transferFrom(address,address,uint256)", account, stranger, taken_raw)
    after_raw = _wealth_raw(devnet, stranger)
    node.revert(snapshot)
    return after_raw - before_raw


def _wealth_raw(devnet: Devnet, account: Address) -> int:
    """USDC idle and USDC claims, as the contracts' balance views say them."""
    markets = [market for market in devnet.deployment["markets"] if market["id"].endswith(":USDC")]
    holders = [devnet.token("USDC"), *(market["contracts"]["receipt"] for market in markets)]
    return sum(read_integer(devnet.node, holder, "balanceOf(address)", account) for holder in holders)


def _for(stranger: Address, account: Address, calls: tuple[Call, ...]) -> tuple[Call, ...]:
    """The same calls with the stranger where the account stood."""
    ours, theirs = bytes.fromhex(account[2:]), bytes.fromhex(stranger[2:])
    return tuple(replace(call, data=call.data.replace(ours, theirs)) for call in calls)


def _receipts_to(stranger: Address, claim: Position) -> Call:
    """An ERC-20 transfer of the claim itself, past the protocol."""
    receipt = registry.adapter_of(claim.market).units(claim.market)[0]
    (transfer,) = registry.encode(Transfer(Amount(claim.market.asset, claim.shares_raw // 2), stranger), stranger)
    return replace(transfer, target=receipt)
