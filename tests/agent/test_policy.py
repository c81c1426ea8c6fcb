"""Changing the terms from the command line: shown, agreed to by who may, and taken up by the keeper that runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli import policy, stop
from agent.cli.doctor import examine
from agent.cli.run import keeper_of
from agent.cli.stage import OPERATOR
from agent.settings import load_settings
from strategies.errors import NotApproved, SettingsError
from tests.supervised import Play, play
from wallets import operators, pause, secrecy
from wallets.policy import policy_digest
from wallets.terms import SHOWN, read_shown

pytestmark = pytest.mark.chain

WIDE, NARROW = "max_day_usd = 120000", "max_calls = 6"


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    with play(tmp_path_factory.mktemp("policy")) as played:
        yield played


@pytest.fixture
def config(on: Play) -> Iterator[Path]:
    """The settings file, put back afterwards."""
    before = on.stage.config.read_text()
    yield on.stage.config
    on.stage.config.write_text(before)


def write(config: Path, *changes: tuple[str, str]) -> None:
    text = config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)


def shown(config: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What `policy status --json` says."""
    capsys.readouterr()
    policy.status(config, as_json=True)
    return json.loads(capsys.readouterr().out)


def agree(on: Play, config: Path, name: str = OPERATOR) -> None:
    policy.agree(config, operator=name, key_file=on.stage.operator_key, password_file=on.stage.password_file, asked=False)


def test_where_nothing_waits_that_is_said_and_there_is_nothing_to_agree_to(
    on: Play, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.status(config, as_json=False)
    said = capsys.readouterr().out
    assert "nothing waits" in said
    assert policy_digest(on.session.settings.policy) in said
    assert shown(config, capsys)["waiting"] is None
    with pytest.raises(NotApproved, match="no change of the terms waits"):
        agree(on, config)


def test_a_change_is_shown_field_by_field_agreed_to_by_its_operator_and_waits_for_the_day(
    on: Play, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(config, (WIDE, "max_day_usd = 900000  # more"), (NARROW, "max_calls = 5"))
    settings = load_settings(config, {})
    assert keeper_of(settings, config).status().terms_waiting
    assert "stricter terms than are written" in capsys.readouterr().out
    assert [found.fine for found in examine(config) if found.what == "terms"] == [None]
    found = shown(config, capsys)
    assert found["unseen"] is False
    assert found["waiting"]["tightened"] == ["max_calls: 6 -> 5"]  # in force since it was seen
    assert found["waiting"]["loosened"] == ["max_day_usd: 120000 -> 900000"]
    assert (found["waiting"]["agreed"], found["waiting"]["people"]) == ([], 1)
    in_force = policy.in_force(settings)
    assert (in_force.max_day_usd, in_force.max_calls) == (120_000, 5)
    with pytest.raises(NotApproved, match="no enrolled operator"):
        agree(on, config, "eve")
    agree(on, config)
    assert "in force from" in capsys.readouterr().out
    write(config, ("# more", "# another word, the same terms"))
    assert on.keeper.status().policy_digest == policy_digest(in_force)
    policy.status(config, as_json=False)
    said = capsys.readouterr().out
    assert "max_day_usd: 120000 -> 900000" in said
    assert "waits 86400 s" in said


def test_what_the_keeper_has_not_seen_is_not_signed(on: Play, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(config, (WIDE, "max_day_usd = 900000"))
    assert on.keeper.status().terms_waiting
    other = config.with_name("other.toml")
    other.write_text(config.read_text().replace("900000", "950000"))
    assert shown(other, capsys)["unseen"] is True
    with pytest.raises(NotApproved, match="has not seen"):
        agree(on, other)
    with pytest.raises(SettingsError, match="another policy"):
        keeper_of(load_settings(other, {}), other)


def test_a_yes_is_signed_for_the_policy_in_force(on: Play, config: Path) -> None:
    write(config, (WIDE, "max_day_usd = 900000"), (NARROW, "max_calls = 4"))
    assert on.keeper.status().policy_digest == policy_digest(policy.in_force(load_settings(config, {})))


def test_without_a_keeper_the_file_is_what_will_be_in_force(on: Play, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = config.with_name("alone.toml")
    other.write_text(config.read_text().replace('folder = "keeper"', 'folder = "elsewhere"'))
    assert policy.in_force(load_settings(other, {})) == load_settings(other, {}).policy
    policy.status(other, as_json=False)
    assert "no keeper has run here yet" in capsys.readouterr().out


def test_a_folder_of_another_wallets_keeper_is_refused(on: Play, config: Path) -> None:
    other = config.with_name("stranger.toml")
    text = config.read_text().replace(on.stage.account, "0x" + "77" * 20)
    other.write_text(text)
    with pytest.raises(SettingsError, match="name another"):
        policy.in_force(load_settings(other, {}))
    assert read_shown(on.session.settings.wallet.folder) is not None
    assert (on.session.settings.wallet.folder / SHOWN).is_file()


def test_where_two_must_end_a_pause_the_first_is_told_so_and_the_second_ends_it(
    on: Play, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = secrecy.password_from_file(on.stage.password_file)
    second = config.with_name("second.pem")
    public_key = operators.create(second, secret)
    other = config.with_name("two.toml")
    enrolled = f'operators = [{{ name = "bob", public_key = "{public_key}" }}, '
    text = config.read_text().replace('folder = "keeper"', 'folder = "two"').replace("operators = [", enrolled)
    other.write_text(text.replace("resume_people = 1", "resume_people = 2"))
    stop.pause(other, "smoke")
    settings = load_settings(other, {})

    def resume(name: str, key: Path) -> str:
        capsys.readouterr()
        stop.resume(other, operator=name, key_file=key, password_file=on.stage.password_file)
        return capsys.readouterr().out

    assert "1 more of the operators" in resume(OPERATOR, on.stage.operator_key)
    assert "1 more of the operators" in resume(OPERATOR, on.stage.operator_key)
    (finding,) = [found for found in examine(other) if found.what == "pause"]
    assert f"{OPERATOR} signed its end" in finding.text
    assert "more of the operators" not in resume("bob", second)
    found = pause.read_pause(settings.wallet.folder)
    assert found is not None
    assert set(pause.ended_by(settings.wallet.folder, settings.policy, found.id)) == {OPERATOR, "bob"}
