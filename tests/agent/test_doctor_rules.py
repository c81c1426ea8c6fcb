"""What `doctor` says of law and of origin; and how a person gives the word it looks for."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent import locked
from agent.cli import app, doctor_rules
from agent.cli.findings import Finding
from agent.settings import EXAMPLE, Settings, load_settings
from strategies.domain import Asset
from tests.worlds import CHAIN, DEPLOYMENT
from wallets import acknowledged
from wallets.acknowledged import SENTENCE
from wallets.policy import policy_digest

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000
TREASURY = "0x" + "7e" * 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "usufruct.toml"
    path.write_bytes((ROOT / EXAMPLE).read_bytes())
    return path


def told(file: Path, **compliance: object) -> Settings:
    return load_settings(file, {f"policy.compliance.{key}": value for key, value in compliance.items()})


def listed(file: Path, taken_at: int = NOW, *addresses: str) -> Path:
    path = file.parent / "list.json"
    path.write_text(json.dumps({"source": "a register", "taken_at": taken_at, "addresses": ["0x" + "5a" * 20, *addresses]}))
    return path


def fine(found: list[Finding]) -> list[bool | None]:
    return [finding.fine for finding in found]


def test_it_says_where_the_operator_is_and_what_that_leaves_open(file: Path) -> None:
    (finding,) = doctor_rules.jurisdiction(told(file))
    assert finding == Finding("jurisdiction", True, "CH, profile none (engineering, not legal advice)")
    (finding,) = doctor_rules.jurisdiction(told(file, jurisdiction="CN"))
    assert finding.fine is None
    assert "paper only" in finding.text


def test_it_says_that_a_country_of_the_union_has_a_profile(file: Path) -> None:
    found = list(doctor_rules.jurisdiction(told(file, jurisdiction="FR")))
    assert fine(found) == [True, None]
    assert 'FR is in the EU: the profile "EU" would deny ' in found[1].text
    assert fine(list(doctor_rules.jurisdiction(told(file, jurisdiction="FR", profile="EU")))) == [True]


def test_it_names_each_asset_that_may_not_be_acquired(file: Path) -> None:
    (finding,) = doctor_rules.assets(told(file), DEPLOYMENT)
    assert finding.text == "each of the 2 may be acquired"
    fund = Asset(CHAIN, "0x" + "b1" * 20, "BUIDL", 6)
    with_fund = DEPLOYMENT.__class__(CHAIN, "x", DEPLOYMENT.multicall, (*DEPLOYMENT.assets, fund), DEPLOYMENT.markets, {})
    (finding,) = doctor_rules.assets(told(file), with_fund)
    assert finding.what == "asset BUIDL"
    reason = "the transfer agent has listed this wallet"
    found = list(doctor_rules.assets(told(file, real_world_assets=reason), with_fund))
    assert fine(found) == [True, None]
    assert found[1].text == f"real-world assets are enabled: {reason}"


def test_it_says_whose_list_is_used_and_how_old_it_is(file: Path) -> None:
    (finding,) = doctor_rules.listed(told(file, screening=str(listed(file))), NOW + 60)
    assert finding.fine is True
    assert finding.text == "1 addresses by a register, of 2023-11-14T22:13:20+00:00, 60 s old (at most 86,400)"
    for age_seconds in (86_401, -1):
        (finding,) = doctor_rules.listed(told(file, screening=str(listed(file))), NOW + age_seconds)
        assert finding.fine is False


def test_it_says_that_a_list_is_missing_damaged_or_not_needed(file: Path) -> None:
    assert [f.text for f in doctor_rules.listed(told(file), NOW)] == ["no list, and a private chain needs none"]
    (finding,) = doctor_rules.listed(load_settings(file, {"policy.chain_id": 11155111}), NOW)
    assert (finding.fine, finding.text) == (None, "no list; live needs one")
    (finding,) = doctor_rules.listed(told(file, screening=str(file)), NOW)
    assert finding.fine is False
    assert "it is no JSON" in finding.text


def test_it_says_that_the_treasury_is_on_the_list(file: Path) -> None:
    path = listed(file, NOW, TREASURY)
    overrides = {"policy.treasury": TREASURY, "policy.compliance.screening": str(path)}
    assert fine(list(doctor_rules.listed(load_settings(file, overrides), NOW))) == [True, False]


def test_it_holds_the_installed_packages_against_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = list(doctor_rules.packages())
    assert found[0].fine is True
    assert found[0].text.endswith("are what requirements.lock names")
    monkeypatch.setattr(locked, "installed", lambda: {"web3": "0.1", "left-pad": "1"})
    found = list(doctor_rules.packages())
    assert fine(found) == [False, None]
    assert "web3 is 0.1, not " in found[0].text
    assert found[1].text == "1 more are installed that no lock names: left-pad"
    monkeypatch.setattr(locked, "beside", lambda: None)
    assert fine(list(doctor_rules.packages())) == [None]


def test_a_person_who_types_the_sentence_has_given_their_word(file: Path) -> None:
    settings = told(file)
    assert fine(list(doctor_rules.acknowledgement(settings))) == [None]
    asked = ["acknowledge", "--name", "ada", "--config", str(file)]
    wrong = CliRunner().invoke(app, asked, input="yes\n")
    assert wrong.exit_code != 0
    assert "that is not the sentence; nothing was recorded" in str(wrong.exception)
    assert fine(list(doctor_rules.acknowledgement(settings))) == [None]
    right = CliRunner().invoke(app, asked, input=f"{SENTENCE}\n")
    assert right.exit_code == 0, right.output
    assert "Contracts fail." in right.output
    said = acknowledged.read(settings.wallet.folder)
    assert (said.who, said.policy) == ("ada", policy_digest(settings.policy))
    (finding,) = doctor_rules.acknowledgement(settings)
    assert finding.fine is True
    assert finding.text.startswith("ada acknowledged them on 20")


def test_a_program_says_that_its_person_understands(file: Path) -> None:
    asked = ["acknowledge", "--name", "grace", "--yes-i-understand", "--config", str(file)]
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert acknowledged.read(told(file).wallet.folder).who == "grace"
