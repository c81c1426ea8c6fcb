"""Strangers' words: on one line, not too long, and without what looks like a secret; hashes stay readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallets.foreign import MAX_CHARACTERS, one_line, quoted, redacted

HASH = "0x" + "ab" * 32
KEY = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"Max retries exceeded with url: /v2/{KEY} (Caused by X)",
        f"https://user:{KEY}@host.example:8545/rpc failed",
        f"https://host.example/v3/{KEY}",
        f"wss://host.example/ws?token={KEY}",
        f"Authorization: Bearer {KEY}",
        f"authorization: Basic {KEY}==",
        f"api_key={KEY}&x=1",
        f"{{'apikey': '{KEY}'}}",
        f"X-API-Key: {KEY}",
        f"private key {KEY}",
        f"password: {KEY}",
        f"the password is {KEY}",
        f"mnemonic: {'test ' * 11}{KEY[:0]}junk {KEY[:0]}",
        "token sk-abcdefgh12345678",
        f"invalid key 0x{'ab' * 32}",
        f"session eyJ{'abcdefgh' * 2}.{'abcdefgh'}.x",
    ],
)
def test_what_looks_like_a_secret_is_left_out(text: str) -> None:
    found = quoted(text)
    assert KEY not in found
    assert "abcdefgh" not in found
    assert "abab" not in found
    assert "test test" not in found
    assert "…" in found


@pytest.mark.parametrize(
    "text",
    [
        HASH,
        f"transaction {HASH} was mined and reverted",
        f"call 0 reverts: transfer to {HASH[:42]} of 1,000.5 USDC",
        "execution reverted: ERC20: insufficient allowance",
        "the secret of success is work",
        "HTTPSConnectionPool(host='rpc.example', port=443): Read timed out.",
        "token symbol USDC, key 7",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert quoted(text) == text


def test_the_host_stays_so_that_a_person_knows_who_was_asked() -> None:
    assert redacted(f"https://host.example:8545/v3/{KEY}?a=b says no") == "https://host.example:8545/… says no"


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\x1b[2Jb", "a\u202eb", "a\u2028b", "a\x00b", "  a   b "])
def test_line_breaks_and_control_characters_become_spaces(text: str) -> None:
    found = one_line(text)
    assert found.isprintable()
    assert found.startswith("a")
    assert found.endswith("b")


@given(st.text(max_size=2_000))
def test_any_text_is_one_printable_line_of_bounded_length_and_stays_so(text: str) -> None:
    found = quoted(text)
    assert len(found) <= MAX_CHARACTERS
    assert found.isprintable()
    assert one_line(found) == found


def test_very_long_words_are_cut() -> None:
    assert len(quoted("x" * 10**6)) == MAX_CHARACTERS


def test_twelve_plain_words_in_quotes_are_taken_for_a_seed_and_prose_is_not() -> None:
    seed = "test " * 11 + "junk"
    assert "junk" not in redacted(f"cannot derive from '{seed}'")
    for said in ("the vault pays more than the pool and both have been there for long", f"'{seed} again'", f"{seed}'"):
        assert redacted(said) == said
