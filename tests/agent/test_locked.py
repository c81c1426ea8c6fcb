"""The lock names what may be installed, and nothing else is."""

from pathlib import Path

import pytest

from agent import locked
from agent.locked import LOCK, Pinned
from strategies.errors import SettingsError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / LOCK).read_text()
REAL = locked.read_lock(TEXT)
ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
SMALL = f"""\
# a comment
Tenacity==9.2.1 \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
    # via langchain
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:{TWO}
numpy==2.5.5 ; python_full_version >= '3.12' --hash=sha256:{THREE}
"""
LOCKED = locked.read_lock(SMALL)


def test_a_lock_is_read_entry_by_entry() -> None:
    found = locked.read_lock(SMALL)
    assert found == (
        Pinned("tenacity", "9.2.1", frozenset({ONE, TWO}), is_conditional=False),
        Pinned("numpy", "2.4.6", frozenset({TWO}), is_conditional=True),
        Pinned("numpy", "2.5.5", frozenset({THREE}), is_conditional=True),
    )


def test_the_projects_own_lock_holds_all_that_it_asks_for_and_all_of_it_by_hash() -> None:
    assert len(REAL) > 100
    names = locked.wanted((ROOT / "pyproject.toml").read_text())
    assert {"web3", "eth-account", "pytest", "langchain-openai"} <= set(names)
    assert locked.missing(names, REAL) == ()
    assert locked.missing(("web3", "left-pad"), REAL) == ("left-pad",)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"tenacity>=9 --hash=sha256:{ONE}", "'tenacity>=9' is no name with one version"),
        (f"tenacity --hash=sha256:{ONE}", "'tenacity' is no name with one version"),
        (f"tenacity==9.* --hash=sha256:{ONE}", "is no name with one version"),
        ("tenacity==9.2.1", "tenacity has no sha256 for each of its files"),
        (f"tenacity==9.2.1 --hash=md5:{ONE}", "tenacity has no sha256 for each of its files"),
        (f"tenacity==9.2.1 --hash=sha256:{ONE} --hash=sha256:12", "tenacity has no sha256 for each of its files"),
        (f"tenacity @ file:///a.whl --hash=sha256:{ONE}", "is no name with one version"),
        ("-e .", "is no name with one version"),
        ("--index-url x", "is no name with one version"),
        ("-r other.lock", "is no name with one version"),
        ("git+ssh://a/b", "is no name with one version"),
    ],
)
def test_an_entry_without_one_version_or_its_hashes_is_refused_with_its_line(line: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        locked.read_lock(f"{SMALL}\n{line}\n")
    assert str(caught.value).startswith(f"{LOCK}:10: ")
    assert told in str(caught.value)


def test_a_lock_of_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="it names nothing"):
        locked.read_lock("# nothing\n")


def test_an_update_that_the_lock_has_by_hash_passes() -> None:
    assert locked.check("tenacity==9.2.1", [ONE], LOCKED) == ()
    assert locked.check("Tenacity == 9.2.1 ; python_version > '3'", [ONE, TWO], LOCKED) == ()
    assert locked.check("numpy==2.5.5", [THREE], LOCKED) == ()
    (tenacity,) = [entry for entry in REAL if entry.name == "tenacity"]
    assert locked.check(f"tenacity=={tenacity.version}", sorted(tenacity.hashes), REAL) == ()


@pytest.mark.parametrize(
    ("requirement", "hashes", "told"),
    [
        ("eth-acount==0.14.0", [ONE], "eth-acount is not in requirements.lock; did you mean eth-account?"),
        ("agent-internal-signer>=0", [], "agent-internal-signer is not in requirements.lock"),
        ("agent-internal-signer>=0", [], "names no one version; write agent-internal-signer==version"),
        ("agent-internal-signer>=0", [], "comes without a sha256"),
        ("tenacity", [ONE], "names no one version"),
        ("tenacity==9.*", [ONE], "names no one version"),
        ("tenacity>=9.2.1", [ONE], "names no one version"),
        ("tenacity==0.0.1", [ONE], "tenacity 0.0.1 is not what requirements.lock holds ("),
        ("tenacity @ file:///a.whl", [ONE], "names no one version"),
        ("git+ssh://a/b", [ONE], "names no one version"),
        ("", [ONE], "is no requirement"),
        ("../tenacity", [ONE], "is no requirement"),
    ],
)
def test_what_the_lock_does_not_hold_is_refused_with_every_reason(requirement: str, hashes: list[str], told: str) -> None:
    assert any(told in reason for reason in locked.check(requirement, hashes, REAL))


def test_another_hash_of_a_locked_version_is_refused() -> None:
    assert locked.check("tenacity==9.2.1", [ONE, THREE], LOCKED) == (
        "tenacity comes with another sha256 than requirements.lock has; do not install it",
    )
    assert locked.check("numpy==2.5.5", [TWO], LOCKED) != ()  # the hash of the other numpy
    assert locked.check("tenacity==9.2.1", [], LOCKED) != ()


def test_what_is_installed_is_held_against_the_lock() -> None:
    found = locked.compare({"tenacity": "9.2.1", "numpy": "2.5.5", "pip": "1", "usufruct": "0.1.0"}, LOCKED)
    assert found.equal == ("numpy", "tenacity")
    assert (found.differing, found.strange) == ((), ())
    found = locked.compare({"tenacity": "9.2.0", "left-pad": "1"}, LOCKED)
    assert found.differing == ("tenacity is 9.2.0, not 9.2.1",)
    assert found.strange == ("left-pad",)
    assert locked.compare({"numpy": "2.4.6"}, LOCKED).differing == ("tenacity is missing",)


def test_names_are_compared_as_registries_do() -> None:
    assert locked.normal("Eth_Account") == locked.normal("eth.account") == locked.normal("eth--account") == "eth-account"


def test_this_very_environment_is_what_the_lock_names() -> None:
    assert locked.beside() == ROOT / LOCK
    assert locked.compare(locked.installed(), REAL).differing == ()
