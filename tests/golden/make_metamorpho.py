"""Writes `metamorpho.json`: random walks of a vault as MetaMorpho's own bytecode answered them in the in-process machine.

Run it with `python -m tests.golden.make_metamorpho` where the devnet has changed. What is written comes from the contracts only;
the model chooses nothing but the amounts that are tried.
"""

import random
from pathlib import Path

from strategies.protocols import morpho_blue
from tests.evm import Evm
from tests.golden.make_morpho_blue import Recorder, write
from tests.strategies.protocols.metamorpho_walk import ADAPTER, Dice
from tests.strategies.protocols.morpho_blue_walk import PARAMETERS, provide

GOLDEN = Path(__file__).with_name("metamorpho.json")
SOURCE = "npm sphere-mezo-solidity-files 1.2.0 (MetaMorpho 1.0) over npm @morpho-org/morpho-blue 1.0.0, compiled here"
SEEDS, STEPS = (31, 32), 60


def main() -> None:
    evm = Evm.of_devnet()
    vault = next(market for market in evm.deployment.markets if market.id == "metamorpho:USDC")
    provide(evm, (vault,), vault.address)
    provide(evm, vault.wraps, vault.wraps[0].address)
    borrower = evm.actors["borrower"]
    for wrapped in vault.wraps[1:]:
        backing = (morpho_blue.parameters(wrapped), 10**23, borrower, b"")
        evm.transact(borrower, wrapped.address, f"supplyCollateral({PARAMETERS},uint256,address,bytes)", *backing)
    walks = []
    for seed in SEEDS:
        mark = evm.mark()
        walks.append(Recorder(evm, vault, ADAPTER, Dice(evm, vault, random.Random(seed)).step).walk(STEPS))
        evm.back(mark)
    write(GOLDEN, SOURCE, walks)


if __name__ == "__main__":
    main()
