"""Settings: what is read, in which order, and what each mistake is told."""

import json
import os
import tomllib
import traceback
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from agent.settings import (
    EXAMPLE,
    Settings,
    load_settings,
)
from strategies.errors import SettingsError
from strategies.rebalance import Gate
from wallets.policy import Policy

ROOT = Path(__file__).parents[2]
ADA = {"name": "ada", "public_key": "ab" * 32}
REQUIRED = sorted(name for name, field in Policy.model_fields.items() if field.is_required())
TABLES = {
    name: shape
    for name in REQUIRED
    if isinstance(shape := Policy.model_fields[name].annotation, type) and issubclass(shape, BaseModel)
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("USUFRUCT_"):
            monkeypatch.delenv(name)


def text_with(old: str = "", new: str = "") -> str:
    """The example's text, one line of it changed."""
    text = (ROOT / EXAMPLE).read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


def line_with(text: str) -> int:
    """The number of the example's first line that begins so."""
    return next(number for number, line in enumerate(text_with().split("\n"), start=1) if line.startswith(text))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "usufruct.toml"
    path.write_text(text_with(), encoding="utf-8")
    return path


def problems(path: Path, overrides: Mapping[str, object] | None = None) -> list[str]:
    """The lines of the refusal."""
    with pytest.raises(SettingsError) as caught:
        load_settings(path, overrides or {})
    assert not isinstance(caught.value.__context__, ValidationError)  # its text repeats what was found
    return str(caught.value).split("\n")


def test_the_example_is_complete_and_passes() -> None:
    settings = load_settings(ROOT / EXAMPLE, {})
    assert settings.policy.chain_id == 31337
    assert settings.policy.treasury is None
    assert settings.prices.exchanges == ()
    assert settings.model is None


def test_the_example_names_every_limit() -> None:
    content = tomllib.loads(text_with())
    assert set(content["policy"]) == set(REQUIRED)
    for name, shape in TABLES.items():
        assert set(content["policy"][name]) == set(shape.model_fields)
    assumed = {"touch_fee_raw"}  # by a run over a tape: no chain that is signed on charges it
    assert set(content["strategy"]["gate"]) == {field.name for field in fields(Gate)} - assumed
    assert set(content) == set(Settings.model_fields) - {"model"}


def test_the_examples_commented_parts_pass_too(file: Path) -> None:
    text = text_with().replace("operators = []", "").replace("# operators", "operators").replace("…", "ab" * 32)
    for line in ("[model]", "base_url", "name =", "timeout_seconds", "max_tokens", "password_file"):
        text = text.replace(f"# {line}", line)
    file.write_text(text)
    settings = load_settings(file, {})
    assert settings.model is not None
    assert settings.model.max_tokens == 400
    assert settings.policy.operators[0].name == "ada"


def test_arguments_count_over_variables_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(file, {}).policy.max_day_usd == 500_000
    monkeypatch.setenv("USUFRUCT_POLICY__MAX_DAY_USD", "400000")
    assert load_settings(file, {}).policy.max_day_usd == 400_000
    settings = load_settings(file, {"policy.max_day_usd": 300_000})
    assert settings.policy.max_day_usd == 300_000
    assert settings.policy.max_calls == 8


def test_variables_reach_deep_and_write_lists_as_json(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USUFRUCT_STRATEGY__GATE__HORIZON_SECONDS", "86400")
    monkeypatch.setenv("USUFRUCT_POLICY__MARKETS", '["aave-core:USDC"]')
    monkeypatch.setenv("USUFRUCT_POLICY__OPERATORS", json.dumps([ADA]))
    monkeypatch.setenv("USUFRUCT_PRICES__SYMBOLS", '{"WETH": "ETH/USD"}')
    settings = load_settings(file, {})
    assert settings.strategy.gate.horizon_seconds == 86_400
    assert settings.policy.markets == ("aave-core:USDC",)
    assert settings.policy.operators[0].name == "ada"
    assert settings.prices.symbols == {"WETH": "ETH/USD"}


def test_paths_of_the_file_begin_at_its_folder(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USUFRUCT_WALLET__KEYSTORE", "here.json")
    settings = load_settings(file, {"run.folder": "there"})
    assert settings.chain.deployment == file.parent / "runs/local/deployment.json"
    assert settings.wallet.keystore == Path("here.json")
    assert settings.run.folder == Path("there")


def test_settings_cannot_be_changed_afterwards(file: Path) -> None:
    settings = load_settings(file, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.policy.max_day_usd = 1
    with pytest.raises(ValueError, match="frozen"):
        settings.chain = settings.chain


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    (line,) = problems(tmp_path / "usufruct.toml")
    assert "no such file; copy usufruct.example.toml" in line
    assert "`usufruct demo` needs none" in line


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="it is no plain file"):
        load_settings(tmp_path, {})


def test_a_missing_limit_has_no_default(file: Path) -> None:
    file.write_text(text_with("max_day_usd = 500000", ""))
    assert problems(file) == [
        "policy.max_day_usd: missing; limits have no defaults: "
        f"write `max_day_usd = …` under [policy] in {file}:{line_with('[policy]')}, or set USUFRUCT_POLICY__MAX_DAY_USD"
    ]


def without(table: str, name: str) -> str:
    """The example's text, its policy rewritten without one key of one table."""
    policy = tomllib.loads(text_with())["policy"]
    parts = {"policy": {key: value for key, value in policy.items() if key not in TABLES}}
    parts |= {f"policy.{key}": policy[key] for key in TABLES}
    del parts[table][name]
    lines = [f"[{key}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in part.items()) for key, part in parts.items()]
    before, _, rest = text_with().partition("[policy]")
    return before + "\n".join(lines) + "\n[wallet]" + rest.partition("[wallet]")[2]


@pytest.mark.parametrize(
    ("table", "name"),
    [("policy", name) for name in REQUIRED if name not in TABLES]
    + [(f"policy.{table}", name) for table in TABLES for name in tomllib.loads(text_with())["policy"][table]],
)
def test_every_limit_is_required(file: Path, table: str, name: str) -> None:
    file.write_text(without(table, name))
    (line,) = problems(file)
    assert line.startswith(f"{table}.{name}: missing; limits have no defaults")
    header = file.read_text().split("\n").index(f"[{table}]") + 1
    assert f"under [{table}] in {file}:{header}, or set USUFRUCT_POLICY__" in line


@pytest.mark.parametrize("table", TABLES)
def test_every_table_of_limits_is_required(file: Path, table: str) -> None:
    text = text_with()
    start = text.index(f"[policy.{table}]")
    file.write_text(text[:start] + text[min(at for at in (text.find("\n[", start), len(text)) if at >= 0) :])
    assert problems(file)[0].startswith(f"policy.{table}: missing; write a section [policy.{table}]")


def test_a_missing_section_points_to_the_example(file: Path) -> None:
    file.write_text(text_with("[run]", "[elsewhere]"))
    assert problems(file) == [
        f"run: missing; write a section [run] in {file}; usufruct.example.toml has a complete one",
        f"elsewhere in {file}:{line_with('[run]')}: no such setting; known: chain, policy, wallet, strategy, prices, run, model",
    ]


def test_an_unknown_key_names_the_nearest_known_one(file: Path) -> None:
    file.write_text(text_with("max_calls = 8", "max_calls = 8\nmax_day_us = 1"))
    line = line_with("max_calls") + 1
    assert problems(file) == [f"policy.max_day_us in {file}:{line}: no such setting; did you mean max_day_usd?"]


def test_an_unknown_variable_is_refused_by_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USUFRUCT_POLICE__MAX_DAY_USD", "1")
    monkeypatch.setenv("USUFRUCT_POLICY__MAX_DAY_US", "1")
    monkeypatch.setenv("USUFRUCT_DEBUG", "1")
    assert sorted(problems(file)) == [
        "USUFRUCT_DEBUG: no such setting; known: chain, policy, wallet, strategy, prices, run, model",
        "USUFRUCT_POLICE__MAX_DAY_USD: no such setting; did you mean policy?",
        "policy.max_day_us in USUFRUCT_POLICY__MAX_DAY_US: no such setting; did you mean max_day_usd?",
    ]


@pytest.mark.parametrize("name", ["NOT_USUFRUCT_POLICY", "USUFRUCTS", "PATH"])
def test_other_variables_are_not_looked_at(file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    load_settings(file, {})


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("policy.max_day_usd", "5k", "found '5k'; write a whole number"),
        ("policy.max_day_usd", 5.0, "found 5.0; write a whole number"),
        ("policy.max_day_usd", True, "found True; write a whole number"),
        ("policy.max_day_usd", -1, "found -1; Input should be greater than 0"),
        ("policy.account", "0xABC", "found '0xABC'; write 0x and forty hex digits in lower case"),
        ("policy.treasury", "nobody", "found 'nobody'; write 0x and forty hex digits in lower case"),
        ("policy.markets", "aave-core:USDC", "found 'aave-core:USDC'; write a list, such as"),
        ("strategy.gate.horizon_seconds", 0, "found 0; Input should be greater than 0"),
        ("strategy.asset", 5, "found 5; write text in quotes"),
        ("strategy.names", ["lending"], "'lending' is not known; did you mean lending_rotation?"),
        ("strategy.names", [], "name at least one"),
        ("strategy.names", ["idle", "idle"], "none twice"),
        ("strategy.stances", ["reckless"], "'reckless' is not known"),
        ("prices.symbols", {"WETH": "ETH/USDT"}, 'write a market quoted in dollars, such as "ETH/USD"'),
        ("chain.endpoint", "ws://127.0.0.1", "write an address that begins with http:// or https://"),
        ("run", "here", "write a section of its own"),
        ("policy.markets", [], "name at least one market"),
        ("policy.max_transaction_usd", 10**9, "max_transaction_usd is above max_day_usd"),
    ],
)
def test_a_wrong_value_is_told_what_to_write(file: Path, key: str, value: object, told: str) -> None:
    (line,) = problems(file, {key: value})
    assert line.startswith(key.partition(".")[0])
    assert told in line


def test_a_wrong_value_names_the_place_that_counts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(text_with("max_calls = 8", "max_calls = -3"))
    assert problems(file)[0].startswith(f"policy.max_calls in {file}:{line_with('max_calls')}: found -3")
    monkeypatch.setenv("USUFRUCT_POLICY__MAX_CALLS", "-4")
    assert problems(file)[0].startswith("policy.max_calls in USUFRUCT_POLICY__MAX_CALLS: found '-4'")
    assert problems(file, {"policy.max_calls": -5})[0].startswith("policy.max_calls in an argument: found -5")


def test_a_variable_in_a_whole_section_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USUFRUCT_POLICY", '{"max_calls": -4}')
    assert problems(file)[0].startswith("policy.max_calls in USUFRUCT_POLICY: found -4")


def test_a_variable_that_should_be_json_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USUFRUCT_POLICY__MARKETS", "aave-core:USDC")
    with pytest.raises(SettingsError, match=r"^USUFRUCT_POLICY__MARKETS: a list or table is written as JSON"):
        load_settings(file, {})


def test_an_entry_of_a_list_is_named_by_its_place(file: Path) -> None:
    lines = problems(file, {"policy.operators": [ADA, {"name": "Grace"}]})
    assert lines[0].startswith("policy.operators.1.name in an argument: found 'Grace'; ")
    assert lines[1] == "policy.operators.1.public_key: missing; write `public_key = …` in each entry of policy.operators"


def test_all_problems_are_told_at_once(file: Path) -> None:
    assert len(problems(file, {"policy.max_calls": 0, "policy.max_day": 1, "chain.endpoint": "x"})) == 3


def test_a_secret_is_never_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USUFRUCT_CHAIN__ENDPOINT", "https://node.example/sk-secret")
    monkeypatch.setenv("USUFRUCT_MODEL", '{"base_url": "http://m/v1", "name": "m", "timeout_seconds": 1, "max_tokens": 1}')
    monkeypatch.setenv("USUFRUCT_MODEL__API_KEY", "sk-secret")
    settings = load_settings(file, {})
    assert settings.model is not None
    assert settings.model.api_key is not None
    assert settings.model.api_key.get_secret_value() == "sk-secret"
    assert settings.chain.endpoint.get_secret_value() == "https://node.example/sk-secret"
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert "sk-secret" not in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("chain.endpoint", "ws://sk-secret"),
        ("chain.endpoint", ["sk-secret"]),
        ("chain.endpont", "http://sk-secret"),
        ("model", "sk-secret"),
        ("model.api_key", 5),
        ("model.apikey", "sk-secret"),
        ("sk-section", "sk-secret"),
    ],
)
def test_a_misplaced_secret_is_refused_without_repeating_it(file: Path, key: str, value: object) -> None:
    assert not [line for line in problems(file, {key: value}) if "sk-secret" in line]


@pytest.mark.parametrize("name", ["USUFRUCT_MODEL__API_KYE", "USUFRUCT_MODEL", "USUFRUCT_SECRET", "USUFRUCT_POLICY__MARKETS"])
def test_a_secret_in_the_wrong_variable_is_not_repeated(file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "sk-secret")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert "sk-secret" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_the_models_key_is_taken_from_the_environment_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = '[model]\nbase_url = "http://127.0.0.1/v1"\nname = "m"\ntimeout_seconds = 1\nmax_tokens = 1\n'
    file.write_text(text_with() + model)
    assert load_settings(file, {}).model is not None
    file.write_text(text_with() + model + 'api_key = "sk-secret"\n')
    (line,) = problems(file)
    assert "by environment only; remove it and set USUFRUCT_MODEL__API_KEY" in line
    assert "sk-secret" not in line
    file.write_text(text_with() + model)
    assert len(problems(file, {"model.api_key": "sk-secret"})) == 1


def test_the_wallets_password_has_no_setting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USUFRUCT_WALLET__PASSWORD", "sk-secret")
    (line,) = problems(file)
    assert line.startswith("wallet.password in USUFRUCT_WALLET__PASSWORD: no such setting")
    assert "sk-secret" not in line


def test_every_secret_of_the_settings_is_known_to_be_one() -> None:
    found = [
        (section, name)
        for section, shape in Settings.model_fields.items()
        for name, field in getattr(shape.annotation, "model_fields", {}).items()
        if field.annotation is SecretStr
    ]
    assert found == [("chain", "endpoint")]
