"""Writes the recorded walks, one file a protocol: `python -m tests.golden.make_walks [NAME ...]`, where the devnet has changed.

Comet and Lido are our own stand-ins: no package ships their contracts. Their records hold the model to the published formulas as
a second hand wrote them down, in Solidity; `test_compound_v3_stand_in.py` holds Comet's to vectors made by executing Comet."""

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tests.evm import Evm, undone
from tests.golden.recording import recorded, write
from tests.golden.scratch import compiled
from tests.strategies.protocols import (
    aave_v3_walk,
    compound_v2_walk,
    compound_v3_walk,
    erc4626_walk,
    lido_walk,
    metamorpho_walk,
    morpho_blue_walk,
    stata_walk,
)
from tests.strategies.protocols.differential import Walk

Begin = Callable[[Evm, str, int], Walk[Any]]
V3_0: Final = "npm @aave/core-v3 1.19.3, its own compiled artefacts"
V3_6: Final = "npm @aave-dao/aave-v3-origin 3.6.0, compiled with solc 0.8.27, optimizer at 200 runs"
STATA: Final = "npm @aave-dao/aave-v3-origin 3.6.0: StataTokenV2 over its own pool"
VENUS: Final = "npm @venusprotocol/venus-protocol 10.3.0, its own compiled artefacts"
COMET: Final = "agent/devnet/solidity/CometStandIn.sol, our own stand-in for Comet"
LIDO: Final = "agent/devnet/solidity/{StEth,WstEth,LidoQueue}StandIn.sol, our own stand-ins for Lido"
OPENZEPPELIN: Final = "npm @openzeppelin/contracts 5.4.0, ERC4626"
SOLMATE: Final = "solmate@6.8.0"
MORPHO: Final = "npm @morpho-org/morpho-blue 1.0.0 and sphere-mezo-solidity-files 1.2.0 (AdaptiveCurveIrm), compiled here"
VAULT_STEPS: Final = 34
METAMORPHO: Final = "npm sphere-mezo-solidity-files 1.2.0 (MetaMorpho 1.0) over npm @morpho-org/morpho-blue 1.0.0, compiled here"
SOLMATE_VAULT: Final = """// SPDX-License-Identifier: AGPL-3.0-only
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
AAVE_SEEDS: Final = (
    *(("aave-core:USDC", 11, V3_0), ("aave-core:WETH", 12, V3_0), ("aave-prime:DAI", 13, V3_0)),
    *(("aave-new:USDC", 14, V3_6), ("aave-new:WETH", 15, V3_6), ("aave-new:DAI", 16, V3_6)),
)
# what begins a walk, how many steps it has; then its market, its seed and where the bytecode is from
WALKS: Final[Mapping[str, tuple[Begin, int, tuple[tuple[str, int, str], ...]]]] = {
    "aave_v3": (aave_v3_walk.walk_of, 55, AAVE_SEEDS),
    "compound_v2": (compound_v2_walk.walk_of, 120, (("venus:USDC", 41, VENUS), ("venus:WETH", 42, VENUS))),
    "compound_v3": (compound_v3_walk.walk_of, 60, tuple((compound_v3_walk.MARKET, seed, COMET) for seed in (21, 39, 43))),
    "lido": (lido_walk.walk_of, 60, tuple((lido_walk.MARKET, seed, LIDO) for seed in (29, 72, 80))),
    "metamorpho": (metamorpho_walk.walk_of, 60, tuple((metamorpho_walk.VAULT, seed, METAMORPHO) for seed in (31, 32))),
    "morpho_blue": (
        *(morpho_blue_walk.walk_of, 130),
        (("morpho:USDC/WETH", 21, MORPHO), ("morpho:USDC/DAI", 22, MORPHO), ("morpho:USDC", 23, MORPHO)),
    ),
    "stata": (
        *(stata_walk.walk_of, 48),
        tuple((market_id, seed, STATA) for market_id, seed in zip(("stata:USDC", "stata:WETH") * 2, range(1, 5), strict=True)),
    ),
}


def main(*names: str) -> None:
    evm = Evm.of_devnet()
    for name, (walk_of, steps, walks) in WALKS.items():
        if name in (names or WALKS):
            write(name, [record(evm, walk_of, (market_id, seed), steps, source) for market_id, seed, source in walks])
    if "erc4626" in (names or ("erc4626",)):
        write("erc4626", list(vaults()))


def record(evm: Evm, walk_of: Begin, of: tuple[str, int], steps: int, source: str) -> Mapping[str, Any]:
    with undone(evm):
        return recorded(walk_of(evm, *of), steps, source)


def vaults() -> Iterator[Mapping[str, Any]]:
    """OpenZeppelin's vault is the one in the local chain's lock, made concrete by our own `PlainVault.sol`; Solmate's is fetched
    for this and made concrete above."""
    solmate = compiled(SOLMATE, {"SolmateVault": SOLMATE_VAULT})["SolmateVault"]
    for seed in range(3):
        for offset in (0, 6, 12):
            begun = erc4626_walk.walk_of(Evm.empty(), f"PlainVault {offset}", 20 * offset + seed)
            yield recorded(begun, VAULT_STEPS, OPENZEPPELIN)
        of = erc4626_walk.created(Evm.empty(), solmate, ("address",), ())
        begun = Walk(of, erc4626_walk.Dice(of, random.Random(900 + seed)))
        yield recorded(begun, VAULT_STEPS, f"npm {SOLMATE}, ERC4626")


if __name__ == "__main__":
    main(*sys.argv[1:])
