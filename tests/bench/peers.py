"""Peers that an environment folder holds (USUFRUCT_PEERS, else ~/peers), run through the scripts of ../shared/peers, each in a
process of its own. A peer that is not there is said to be missing on standard error, and left out."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SCRIPTS: Final = Path(__file__).resolve().parents[3] / "shared" / "peers"
ROTATION: Final = (  # name, environment, script, arguments
    ("vectorbt-rust", "v-vbt", "rot_vectorbt.py", ("--rust", "--runs", "9")),
    ("fractal-defi", "v-fractal", "rot_fractal.py", ("--runs", "1")),
    ("demeter", "v-demeter", "rot_demeter.py", ("--runs", "1")),
)
SWEEP: Final = (
    ("vectorbt-rust", "v-vbt", "vectorbt-sweep-rust", "500"),
    ("fractal-defi", "v-fractal", "fractal", "4"),
)


def rotation(markets: int) -> Iterator[tuple[str, float, float]]:
    """Each peer's name, CPU seconds and final equity for so many markets."""
    for name, environment, script, arguments in ROTATION:
        said = _asked(name, environment, script, ("--n", str(markets), *arguments))
        if said is not None:
            yield name, float(str(said["cpu_s"])), float(str(said["final_equity"]))


def sweep() -> Iterator[tuple[str, float, bool]]:
    """Each peer's name, CPU seconds for the 500 sets, and whether that is extrapolated from a sample."""
    for name, environment, peer, sample in SWEEP:
        said = _asked(name, environment, "sweep.py", (peer, "--sample", sample))
        if said is not None:
            yield name, float(str(said["cpu_500_s"] or said["wall_500_s"])), bool(said["extrapolated"])


def _asked(name: str, environment: str, script: str, arguments: tuple[str, ...]) -> dict[str, object] | None:
    """A peer's own line; None where it is not installed."""
    folder = Path(os.environ.get("USUFRUCT_PEERS", str(Path.home() / "peers")))
    python = folder / environment / "bin" / "python"
    if not python.exists() or not SCRIPTS.exists():
        sys.stderr.write(f"{name} is left out: no {environment} under the peers' folder, or no ../shared/peers\n")
        return None
    done = subprocess.run([str(python), script, *arguments], cwd=SCRIPTS, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(f"{name} is left out: it ended with {done.returncode}: {done.stderr.strip()[-300:]}\n")
        return None
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return said
