"""`usufruct wallet safe plan`: what a person reads and what a program loads, from the example's own settings."""

import json
import tomllib
from pathlib import Path

import pytest

from agent.cli.safe import plan
from agent.devnet.chain import Devnet
from agent.devnet.errors import ArtefactsMissing
from strategies.errors import SettingsError

pytestmark = pytest.mark.chain

ROOT = Path(__file__).parents[2]
HEAD = "# [policy.safe]"


def uncommented(text: str) -> str:
    """The example with its Safe."""
    before, _, rest = text.partition(HEAD)
    block, _, after = rest.partition("\n\n")
    return before + HEAD.removeprefix("# ") + block.replace("\n# ", "\n") + "\n\n" + after


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("safe")
    try:
        with Devnet.start() as devnet:
            content = {name: value for name, value in devnet.everything.items() if name not in ("actors", "admin")}
    except ArtefactsMissing as error:
        pytest.skip(f"no local chain here: {error}")
    (folder / "deployment.json").write_text(json.dumps(content))
    text = uncommented((ROOT / "usufruct.example.toml").read_text())
    (folder / "usufruct.toml").write_text(text.replace("runs/local/deployment.json", "deployment.json"))
    return folder / "usufruct.toml"


def said(config: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> str:
    plan(config, as_json=as_json)
    return capsys.readouterr().out


def test_a_person_reads_who_may_do_what_and_the_digest(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(config, capsys, as_json=False)
    assert "Supply USDC aave-core:USDC" in text
    assert "at most 200,000 USDC, of the day's; the Safe; 0" in text
    assert "a day: 500,000 USDC, at 1.00 USD each" in text
    assert "digest " in text


def test_a_program_reads_the_same_digest_and_transactions_to_load(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(said(config, capsys, as_json=True))
    assert f"digest {record['digest']}" in said(config, capsys, as_json=False)
    policy = tomllib.loads(config.read_text())["policy"]
    assert {one["to"] for one in record["transactions"]} == {policy["account"], policy["safe"]["roles"]}
    assert {one["value"] for one in record["transactions"]} == {"0"}
    assert record["chainId"] == "31337"
    assert record["safe"] == policy["account"]


def test_settings_without_a_safe_are_refused_by_name(config: Path, tmp_path: Path) -> None:
    text = (ROOT / "usufruct.example.toml").read_text()
    (tmp_path / "usufruct.toml").write_text(text.replace("runs/local/deployment.json", str(config.parent / "deployment.json")))
    with pytest.raises(SettingsError, match=r"\[policy.safe\]"):
        plan(tmp_path / "usufruct.toml", as_json=True)
