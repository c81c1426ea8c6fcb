"""What asking the second reader leaves behind in its process."""

import subprocess
import sys

SCRIPT = """
import sys
from agent import witness
from strategies.errors import EndpointUnusable
before = sys.getrecursionlimit()
try:
    witness.disagreements("http://127.0.0.1:9", None, "0x" + "00" * 20, timeout_seconds=1)
except (EndpointUnusable, AttributeError):
    pass
assert "web3" in sys.modules
assert sys.getrecursionlimit() == before, sys.getrecursionlimit()
"""


def test_asking_the_second_reader_leaves_the_recursion_limit_alone() -> None:
    """A raised one turns deep JSON from any endpoint into the end of the process."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
