"""Before a wallet first acts live, somebody has read what may happen and said so."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from strategies.errors import SettingsError, StoreUnwritable
from wallets import acknowledged
from wallets.acknowledged import FILE, RISKS, SENTENCE, Acknowledgement
from wallets.journal import Journal
from wallets.store import Store

ADA = Acknowledgement("ada", 1_700_000_000, acknowledged.text_digest(), "ab" * 32)


def test_a_word_that_was_given_is_read_again(tmp_path: Path) -> None:
    acknowledged.put(tmp_path / "keeper", ADA)
    assert acknowledged.read(tmp_path / "keeper") == ADA
    assert (tmp_path / "keeper").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keeper" / FILE).stat().st_mode & 0o777 == 0o600


def test_without_a_word_it_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nobody has acknowledged the risks yet: run `usufruct acknowledge`"):
        acknowledged.read(tmp_path)


def test_the_word_is_bound_to_the_text_that_was_shown(tmp_path: Path) -> None:
    assert ADA.text == hashlib.sha256(f"{RISKS}\n{SENTENCE}".encode()).hexdigest()
    acknowledged.put(tmp_path, replace(ADA, text="00" * 32))
    with pytest.raises(SettingsError, match="ada acknowledged an older text of the risks"):
        acknowledged.read(tmp_path)


@pytest.mark.parametrize("who", ["", " ", "x" * 65, "a\nb"])
def test_nobody_gives_no_word(who: str) -> None:
    with pytest.raises(SettingsError, match="must be a name"):
        replace(ADA, who=who)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"who": "ada"}', '{"who": "ada", "at": "1", "text": "", "policy": ""}', '{"who": "ada", "who": "eve"}'],
)
def test_a_damaged_word_is_none(tmp_path: Path, content: str) -> None:
    acknowledged.put(tmp_path, ADA)
    (tmp_path / FILE).write_text(content)
    with pytest.raises(SettingsError):
        acknowledged.read(tmp_path)


def test_a_word_that_others_could_have_given_is_none(tmp_path: Path) -> None:
    acknowledged.put(tmp_path, ADA)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(SettingsError, match="mode 0644"):
        acknowledged.read(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        acknowledged.read(tmp_path)


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnwritable, match="the acknowledgement file"):
        acknowledged.put(tmp_path / "file" / "keeper", ADA)


def test_the_journal_has_each_word_once(tmp_path: Path) -> None:
    with Store(tmp_path / "keeper.sqlite") as store:
        journal = Journal(store)
        with pytest.raises(SettingsError, match="nobody has acknowledged"):
            acknowledged.note(tmp_path, store, journal, 5)
        assert not journal.lines
        acknowledged.put(tmp_path, ADA)
        for _ in range(2):
            acknowledged.note(tmp_path, store, journal, 5)
        (text,) = journal.lines
        line = json.loads(text)
        assert line["kind"] == "acknowledged"
        assert line["content"] == {"who": "ada", "at": 1_700_000_000, "text": ADA.text, "policy": "ab" * 32}
        acknowledged.put(tmp_path, replace(ADA, who="grace"))
        acknowledged.note(tmp_path, store, journal, 6)
        assert [json.loads(said)["content"]["who"] for said in journal.lines] == ["ada", "grace"]
