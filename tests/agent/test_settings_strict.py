"""A settings file is read as it was meant or not at all: each mistake is refused with its line, and its harmless twin is not."""

import os
import shutil
from pathlib import Path

import pytest

from agent.settings import EXAMPLE, Settings, load_settings, policy_variables
from agent.settings_file import MAX_BYTES, lines_of
from strategies.errors import SettingsError
from wallets.policy import policy_digest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / EXAMPLE).read_text(encoding="utf-8")
NOBODY = "0x" + "00" * 20


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.upper().startswith("USUFRUCT_"):
            monkeypatch.delenv(name)
    path = tmp_path / "usufruct.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def refused(path: Path, **overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, overrides)
    return str(caught.value)


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(TEXT.split("\n"), start=1) if line.startswith(text))


def changed(path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return path


def read(path: Path) -> Settings:
    return load_settings(path, {})


def test_comments_and_the_order_of_keys_change_nothing_that_a_yes_is_bound_to(file: Path) -> None:
    before = policy_digest(read(file).policy)
    lines = TEXT.split("\n")
    first, second = line_of("max_calls") - 1, line_of("max_fee_gwei") - 1
    lines[first], lines[second] = f"{lines[second]} # as we agreed", lines[first]
    file.write_text("# ours\n\n" + "\n".join(lines))
    assert policy_digest(read(file).policy) == before
    changed(file, "max_calls = 8", "max_calls = 7")
    assert policy_digest(read(file).policy) != before


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("max_calls = 8", "max_calls = 8\nmax_calls = 80", "is no TOML: max_calls is written twice; keep one of the two"),
        ("[wallet]", "[policy]\n\n[wallet]", "is no TOML: this section is written twice"),
        ("[wallet]", "[policy.people]\n\n[wallet]", "is no TOML: this section is written twice"),
        ("max_calls = 8", "max_calls = ", "is no TOML: Invalid value"),
        ("max_calls = 8", "max_calls: 8", "is no TOML: Expected '='"),
        ("max_calls = 8", "max_calls = 08", "is no TOML: "),
        ("max_calls = 8", "max_calls = yes", "is no TOML: Invalid value"),
        ("max_calls = 8", "<<: *limits", "is no TOML: Invalid statement"),
        ("max_calls = 8", "max_calls = !!python/object/apply:os.system ['id']", "is no TOML: Invalid value"),
    ],
)
def test_what_is_no_toml_or_stands_twice_is_refused_with_its_line(file: Path, old: str, new: str, told: str) -> None:
    changed(file, old, new)
    said = refused(file)
    assert said.startswith(f"{file}:")
    assert said.removeprefix(f"{file}:").split(":")[0].isdecimal()
    assert told in said


def test_yaml_in_the_place_of_toml_is_refused_and_runs_nothing(file: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    file.write_text(f"policy: !!python/object/apply:os.system ['touch {mark}']\n")
    assert refused(file).startswith(f"{file}:1: is no TOML: ")
    assert not mark.exists()


def test_the_line_of_a_key_that_stands_twice_is_told_and_its_value_is_not(file: Path) -> None:
    changed(file, 'endpoint = "http', 'endpoint = "http://node/sk-secret"\nendpoint = "http')
    said = refused(file)
    assert said.startswith(f"{file}:{line_of('endpoint') + 1}: is no TOML: endpoint is written twice")
    assert "sk-secret" not in said


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("nan", "found nan; write a whole number"),
        ("inf", "found inf; write a whole number"),
        ("-inf", "found -inf; write a whole number"),
        ("1e999", "found inf; write a whole number"),
        ("8.0", "found 8.0; write a whole number"),
        ("0.5", "found 0.5; write a whole number"),
        ("true", "found True; write a whole number"),
        ("-8", "found -8; Input should be greater than 0"),
        ("0", "found 0; Input should be greater than 0"),
        ('"8k"', "found '8k'; write a whole number"),
        ('"٨"', "found '٨'; write a whole number"),
        ('""', "found ''; write a whole number"),
        ("[8]", "write a whole number"),
        ("{ value = 8 }", "write a whole number"),
        ("2026-11-22", "write a whole number"),
        ("1" + "0" * 30, "write a whole number of at most 30 digits"),
    ],
)
def test_a_limit_is_a_whole_number_above_nothing(file: Path, value: str, told: str) -> None:
    changed(file, "max_calls = 8", f"max_calls = {value}")
    said = refused(file)
    assert said.startswith(f"policy.max_calls in {file}:{line_of('max_calls')}: ")
    assert told in said


@pytest.mark.parametrize("value", ["9", "0x9", "1_0"])
def test_a_whole_number_passes_in_any_way_that_toml_writes_it(file: Path, value: str) -> None:
    assert read(changed(file, "max_calls = 8", f"max_calls = {value}")).policy.max_calls == int(value, 0)


def test_a_figure_of_thousands_of_digits_is_refused(file: Path) -> None:
    changed(file, "max_calls = 8", "max_calls = " + "9" * 10_000)
    assert "is no TOML" in refused(file)


@pytest.mark.parametrize("value", ["[" * 5_000 + "]" * 5_000, "{a=" * 3_000 + "1" + "}" * 3_000])
def test_what_is_nested_deeper_than_a_reader_follows_is_refused(file: Path, value: str) -> None:
    changed(file, "max_calls = 8", f"max_calls = {value}")
    assert "it is nested deeper than anybody writes" in refused(file)


@pytest.mark.parametrize("line", ["a" + ".a" * 3_000 + " = 1", "x = [[[[[[[[[1]]]]]]]]]"])
def test_what_is_nested_deeper_than_any_setting_is_refused(file: Path, line: str) -> None:
    file.write_text(f"{line}\n{TEXT}")
    assert refused(file).endswith("is nested deeper than any setting")


def test_a_file_that_is_longer_than_any_is_refused(file: Path) -> None:
    file.write_text("#" * (MAX_BYTES - len(TEXT.encode()) - 1) + "\n" + TEXT)
    read(file)
    file.write_text("##" + file.read_text())
    assert f"it is longer than {MAX_BYTES} bytes" in refused(file)


def test_a_file_that_is_no_utf8_is_refused_with_its_line(file: Path) -> None:
    file.write_bytes(TEXT.encode().replace(b"max_calls = 8", b"max_calls = 8 # \xff"))
    assert refused(file).startswith(f"{file}:{line_of('max_calls')}: it is no UTF-8")
    file.write_bytes(TEXT.encode("utf-16"))
    assert "it is no UTF-8" in refused(file)


def test_a_file_that_others_may_change_is_refused(file: Path) -> None:
    read(file)
    file.chmod(0o646)
    assert refused(file).startswith(f"{file}: others may write to it (mode 0646); run chmod go-w on it")


def test_a_folder_that_others_may_change_is_refused(file: Path) -> None:
    file.parent.chmod(0o777)
    assert f"others may write to {file.parent}" in refused(file)
    file.parent.chmod(0o755)
    read(file)


def test_a_link_into_a_place_where_anybody_writes_is_refused_and_one_to_a_place_of_ours_is_not(file: Path) -> None:
    shared, own = file.parent / "shared", file.parent / "own"
    for folder in (shared, own):
        folder.mkdir()
        shutil.copy(file, folder / "usufruct.toml")
    shared.chmod(0o1777)
    link = file.parent / "link.toml"
    link.symlink_to(shared / "usufruct.toml")
    assert f"it is a link into {shared}, where anybody may write" in refused(link)
    link.unlink()
    link.symlink_to(own / "usufruct.toml")
    read(link)


def test_a_link_that_leads_in_a_circle_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "usufruct.toml"
    link.symlink_to(link)
    assert "circle" in refused(link) or "cannot be read" in refused(link)


@pytest.mark.parametrize(("key", "old"), [("account", '"0x1111111111111111111111111111111111111111"'), ("treasury", '"none"')])
def test_the_zero_address_is_nobodys(file: Path, key: str, old: str) -> None:
    changed(file, f"{key} = {old}", f'{key} = "{NOBODY}"')
    said = refused(file)
    assert said.startswith(f"policy.{key} in {file}:{line_of(key)}: found '{NOBODY}'; nothing but zeros belongs to nobody")


def test_a_key_of_nothing_but_zeros_is_nobodys(file: Path) -> None:
    changed(file, "operators = []", f'operators = [{{ name = "ada", public_key = "{"00" * 32}" }}]')
    assert f"policy.operators.0.public_key in {file}:{line_of('operators')}: " in refused(file)
    changed(file, "operators = []", f'operators = [{{ name = "ada", public_key = "{"0a" * 32}" }}]')
    read(file)


def test_an_unknown_key_of_a_table_is_refused_with_its_line(file: Path) -> None:
    changed(file, 'jurisdiction = "CH"', 'jurisdiction = "CH"\njurisdicton = "CN"')
    said = refused(file)
    where = f"policy.compliance.jurisdicton in {file}:{line_of('jurisdiction') + 1}"
    assert said == f"{where}: no such setting; did you mean jurisdiction?"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('jurisdiction = "CH"', 'jurisdiction = "UK"', "write the ISO 3166-1 code of your country in two capital letters"),
        ('jurisdiction = "CH"', 'jurisdiction = "ch"', "write the ISO 3166-1 code of your country in two capital letters"),
        ('profile = "none"', 'profile = "eu"', "write one of: none, EU"),
        ('real_world_assets = "none"', 'real_world_assets = "yes"', "or why you may hold such assets, in at least 20"),
        ('screening = "none"', "screening = 5", "found 5"),
        ("denied_assets = []", 'denied_assets = ["A B"]', "found 'A B'"),
        ("max_screening_age_seconds = 86400", "max_screening_age_seconds = 0", "found 0"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused_with_its_line(file: Path, old: str, new: str, told: str) -> None:
    changed(file, old, new)
    said = refused(file)
    assert f" in {file}:{line_of(old.split(' = ', maxsplit=1)[0])}" in said
    assert told in said


def test_the_screening_list_lies_beside_the_file_that_names_it(file: Path) -> None:
    settings = read(changed(file, 'screening = "none"', 'screening = "lists/ofac.json"'))
    assert settings.policy.compliance.screening == file.parent / "lists/ofac.json"
    assert read(changed(file, "[chain]", "[chain]")).policy.compliance.screening is None


def test_no_variable_changes_a_keepers_policy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert policy_variables() == ()
    monkeypatch.setenv("usufruct_policy__compliance__jurisdiction", "CH")
    assert policy_variables() == ("USUFRUCT_POLICY__COMPLIANCE__JURISDICTION",)


def test_each_key_is_found_where_it_begins() -> None:
    head = 'a = 1\n\n# b = 2\n[s]\nb = [\n  1, # c = 3\n  2,\n]\nd = """\ne = 4\n"""\n'
    text = head + "[[s.list]]\nf = 1\n[[s.list]]\nf = { g = 2 }\n[s.list.h]\ni = 3\n"
    lines = lines_of(text)
    assert lines[("a",)] == 1
    assert lines[("s",)] == 4
    assert lines[("s", "b")] == 5
    assert lines[("s", "b", 1)] == 5
    assert lines[("s", "d")] == 9
    assert lines[("s", "list")] == 12
    assert lines[("s", "list", 0, "f")] == 13
    assert lines[("s", "list", 1)] == 14
    assert lines[("s", "list", 1, "f", "g")] == 15
    assert lines[("s", "list", 1, "h", "i")] == 17
    assert ("b",) not in lines
    assert ("e",) not in lines


def test_lines_stop_being_told_in_a_statement_that_goes_on_for_pages() -> None:
    assert ("b",) not in lines_of("a = [\n" + "1,\n" * 300 + "]\nb = 1\n")
