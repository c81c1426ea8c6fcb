"""The rules of the house that an import contract cannot say, read from the source itself."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from strategies import domain
from strategies.domain import Amount, Approve, Revoke, Transfer
from strategies.protocols import registry
from strategies.revocations import Lockdown, RevokeOperator, RevokePermit, RevokeToken
from tests import worlds
from tests.strategies.protocols.specimens import SPECIMENS

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("strategies", "wallets", "agent", "backtest")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MAX_LINES = 400

WORLD = frozenset(
    [
        "aiohttp",
        "asyncio",
        "datetime",
        "http",
        "httpx",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "requests",
        "secrets",
        "shutil",
        "socket",
        "sqlite3",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
        "uuid",
    ]
)
WORLD_BUILTINS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})

HOMES = {
    "eth_account": ("wallets/signer.py", "wallets/keystore.py"),
    "eth_keys": ("wallets/signer.py", "wallets/keystore.py"),
    "web3": ("agent/witness.py",),
    "ccxt": ("agent/prices.py", "agent/fetch/"),
    "langgraph": ("agent/graph.py",),
    "langchain_core": ("agent/chooser.py",),
    "langchain_openai": ("agent/chooser.py",),
    "pandas": ("backtest/",),
    "pyarrow": ("backtest/",),
    "pydantic_settings": ("agent/settings.py",),
    "typer": ("agent/cli/",),
    "rich": ("agent/cli/",),
    "dask": ("backtest/sweep/",),
    "distributed": ("backtest/sweep/",),
    "yaml": ("agent/verify/attacks/catalogue.py",),
    "sqlite3": ("wallets/store.py", "agent/graph.py", "backtest/evidence/trials.py"),
    "cryptography": ("wallets/operators.py", "wallets/audit.py", "wallets/sealing.py"),
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "tests").rglob("*.py"))], ids=name)
def test_no_file_passes_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", [path for path in SOURCES if name(path).startswith("strategies/")], ids=name)
def test_the_world_stops_at_the_door_of_strategies(path: Path) -> None:
    tree = ast.parse(path.read_text())
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not set(imported(path)) & WORLD
    assert not called & WORLD_BUILTINS
    assert not re.search(r"np\.random|numpy\.random|np\.(load|save|memmap|fromfile)", path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_each_outside_package_has_one_home(path: Path) -> None:
    for package in set(imported(path)) & set(HOMES):
        assert any(name(path).startswith(home) for home in HOMES[package]), f"{package} does not live in {name(path)}"


def test_a_yes_is_built_in_one_file() -> None:
    built = [
        name(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Approved"
    ]
    assert built == ["wallets/guard.py"]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_is_caught_broadly_outside_the_guard(path: Path) -> None:
    broad = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert not broad or name(path) == "wallets/guard.py"


@pytest.mark.parametrize("path", [path for path in SOURCES if not name(path).startswith("agent/cli/")], ids=name)
def test_the_environment_is_read_in_one_place(path: Path) -> None:
    reads = re.findall(r"os\.environ\b(?!\.setdefault\(\"LANG)|os\.getenv", path.read_text())
    allowed = name(path) in {"agent/settings.py", "agent/devnet/artefacts.py", "agent/devnet/node.py"}
    assert not reads or allowed, f"{name(path)} reads the environment"


def test_every_action_has_an_encoder() -> None:
    raw, spender = Amount(worlds.USDC, 5), "0x" + "aa" * 20
    of_tokens = (Approve(raw, spender), Revoke(worlds.USDC, spender), Transfer(raw, worlds.ACCOUNT))
    of_markets = [action for specimen in SPECIMENS for action in specimen.writes(specimen.market, 10**6)]
    of_grants = (
        *(RevokeOperator(spender, spender), RevokeToken(spender, 5)),
        *(RevokePermit(spender, worlds.USDC, spender), Lockdown(spender, ((worlds.USDC, spender),))),
    )
    actions = (*of_tokens, *of_grants, *of_markets)
    assert {type(action) for action in actions} == set(get_args(domain.Action))
    assert all(registry.encode(action, worlds.ACCOUNT) for action in actions)


def test_no_path_of_one_machine_and_no_download_address_is_written_down() -> None:
    locks = [ROOT / "requirements.lock", ROOT / "requirements-node.lock", ROOT / "agent/devnet/package-lock.json"]
    for path in locks:
        assert "://" not in path.read_text(), name(path)
    for path in [
        *SOURCES,
        *sorted((ROOT / "tests").rglob("*.py")),
        *(path for path in sorted(ROOT.glob("[!.]*.*")) if path.is_file()),
    ]:
        assert not re.search(r"(^|[^A-Za-z0-9_.])/(work|root|home)/[a-z]", path.read_text()), name(path)


def test_make_test_runs_every_file_of_tests() -> None:
    said = subprocess.run(["make", "--dry-run", "tests"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    run: set[str] = set()
    for words in (line.split() for line in said.splitlines() if " -m pytest " in line):
        found = {path for word in words if word.startswith("tests/") for path in ROOT.glob(word)}
        files = {name(file) for path in found for file in (path.rglob("test_*.py") if path.is_dir() else [path])}
        run |= files - {word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")}
    assert run == {name(path) for path in (ROOT / "tests").rglob("test_*.py")}
