"""Writes `erc4626.json`: random walks of vaults as OpenZeppelin's and Solmate's bytecode answered them.

Run it with `python -m tests.golden.make_erc4626`. OpenZeppelin's vault is the one in the local chain's lock, made concrete by our
own `PlainVault.sol`; Solmate's is fetched for this and made concrete below. The model chooses nothing but the amounts that are
tried."""

import json
import random
from pathlib import Path
from typing import Any

from agent.devnet.artefacts import ensure
from strategies.domain import Amount, MarketAction, Shares, Supply, Withdraw
from strategies.protocols.erc4626 import Vault
from tests.golden.scratch import compiled
from tests.strategies.protocols.erc4626_walk import ACCOUNTS, ADAPTER, Dice, VaultInEvm, name_of

GOLDEN = Path(__file__).with_name("erc4626.json")
PACKAGE = "solmate@6.8.0"
WRAPPER = """// SPDX-License-Identifier: AGPL-3.0-only
pragma solidity ^0.8.20;
import {ERC4626, ERC20} from "solmate/src/tokens/ERC4626.sol";
contract SolmateVault is ERC4626 {
    uint256 private elsewhere;
    constructor(ERC20 asset_) ERC4626(asset_, "Vault", "V") {}
    function setElsewhere(uint256 elsewhere_) external { elsewhere = elsewhere_; }
    function lose(uint256 assets) external { asset.transfer(msg.sender, assets); }
    function totalAssets() public view override returns (uint256) { return asset.balanceOf(address(this)) + elsewhere; }
}
"""
OPENZEPPELIN = "npm @openzeppelin/contracts 5.4.0, ERC4626"
STEPS = 30
FIELDS = ("total_assets_raw", "total_supply_raw", "held_raw", "deposit_limit_raw")


def record(chain: VaultInEvm, *, seed: int, source: str) -> dict[str, Any]:
    """One walk: the opening answers, then each action with what became of it, and new answers where others intervened."""
    dice, market = Dice(chain, random.Random(seed)), chain.market
    walk: dict[str, Any] = {"source": source, "address": market.address, "token": market.asset.address}
    walk |= {"numbers": dict(market.numbers), "opening": answered(chain), "steps": []}
    while len(walk["steps"]) < STEPS and not chain.is_ruined():
        walk["steps"].append(taken(chain, dice))
    return walk


def taken(chain: VaultInEvm, dice: Dice) -> dict[str, Any]:
    """One step of the dice, called."""
    state = chain.state()
    step = dice.step(state, {account: chain.held(account) for account in ACCOUNTS})
    if step is None:
        return {"kind": "ruin"} if chain.is_ruined() else {"kind": "read", **answered(chain)}
    chain.evm.warp(step.seconds)
    before_raw = chain.balance_raw(step.account)
    done = chain.act(step.account, step.action)
    account = ACCOUNTS.index(step.account)
    entry = {"kind": name_of(step.action), "account": account, "raw": raw_of(step.action), "seconds": step.seconds}
    if not done.succeeded:
        return entry | {"out": "reverted"}
    moved_raw = chain.balance_raw(step.account) - before_raw
    after = ["ruin"] if chain.is_ruined() else numbers(chain.state())
    return entry | {"out": [*after, str(chain.held(step.account).shares_raw), str(moved_raw)]}


def raw_of(action: MarketAction) -> str:
    match action:
        case Supply(amount=Amount(raw=raw)) | Withdraw(amount=Amount(raw=raw)) | Withdraw(amount=Shares(raw)):
            return str(raw)
        case _:
            raise ValueError(f"the dice threw {action}")


def numbers(state: Vault) -> list[str]:
    return [str(getattr(state, field)) for field in FIELDS]


def answered(chain: VaultInEvm) -> dict[str, Any]:
    return {"answers": [answer.hex() for answer in chain.evm.ask(ADAPTER.reads(chain.market))], "at": chain.evm.timestamp}


def main() -> None:
    artefacts = ensure()
    solmate = compiled(PACKAGE, {"SolmateVault": WRAPPER})["SolmateVault"]
    walks = []
    for seed in range(3):
        for offset in (0, 6, 12):
            chain = VaultInEvm.made(artefacts, kind="PlainVault", offset=offset)
            walks.append(record(chain, seed=20 * offset + seed, source=OPENZEPPELIN))
        chain = VaultInEvm.of(artefacts, solmate, (("address",),), virtual=0)
        walks.append(record(chain, seed=900 + seed, source=f"npm {PACKAGE}, ERC4626"))
    lines = ",\n".join(json.dumps(walk, separators=(",", ":")) for walk in walks)
    GOLDEN.write_text('{"fields":' + json.dumps(FIELDS) + ',"walks":[\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
