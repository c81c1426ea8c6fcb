"""A keeper that must not sign opens no key."""

from pathlib import Path

import pytest

from strategies.errors import KeystoreUnreadable, SettingsError
from tests import worlds
from tests.wallets import cases
from tests.wallets.keeper_process import acknowledge
from wallets import keeper, keystore
from wallets.changes import Terms
from wallets.keeper import KeeperSettings
from wallets.terms import Source

SOURCE = Source((), lambda: Terms(cases.policy(), worlds.DEPLOYMENT))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every keystore that was asked for; none opens."""
    asked: list[Path] = []

    def unlock(path: Path, password: str) -> None:
        asked.append(path)
        raise KeystoreUnreadable(path=str(path), why="a test")

    monkeypatch.setattr(keystore, "unlock", unlock)
    monkeypatch.setattr(keeper, "harden", lambda: None)  # it would harden the test's own process
    monkeypatch.setattr(keeper, "read_deployment", lambda _: worlds.DEPLOYMENT)
    monkeypatch.setattr(keeper, "refuse_other_chain", lambda *_: None)
    return asked


def settings(tmp_path: Path, **compliance: object) -> KeeperSettings:
    return KeeperSettings.model_validate(
        {
            "folder": tmp_path / "keeper",
            "keystore": tmp_path / "keystore.json",
            "deployment": tmp_path / "deployment.json",
            "endpoint": "http://127.0.0.1:1",
            "read_timeout_seconds": 1,
            "receipt_timeout_seconds": 1,
            "policy": cases.policy(compliance=compliance),
        }
    )


def serve(told: KeeperSettings) -> None:
    keeper.serve(told, "password", lambda: None, source=SOURCE)


def test_in_mainland_china_the_keystore_is_not_even_asked_for(tmp_path: Path, opened: list[Path]) -> None:
    acknowledge(tmp_path / "keeper")
    with pytest.raises(SettingsError, match="in CN this program runs backtests and paper only, and loads no key"):
        serve(settings(tmp_path, jurisdiction="CN"))
    assert opened == []
    with pytest.raises(KeystoreUnreadable):
        serve(settings(tmp_path, jurisdiction="HK"))
    assert opened == [tmp_path / "keystore.json"]


def test_before_the_risks_are_acknowledged_the_keystore_is_not_even_asked_for(tmp_path: Path, opened: list[Path]) -> None:
    with pytest.raises(SettingsError, match="nobody has acknowledged the risks yet"):
        serve(settings(tmp_path))
    assert opened == []
