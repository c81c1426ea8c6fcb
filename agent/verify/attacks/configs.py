"""Settings files: written as the case says, and handed to the loader that a keeper is started with.

A hostile value is carried over as it stands, under our name for its key, or under its own where we have none. What this product
does not let anybody set cannot be left out of it; a required section that it does have stands for that."""

import copy
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from agent.settings import load_deployment, load_settings, require_live
from agent.verify.attacks.changing import changed
from agent.verify.attacks.desk import terms_of
from agent.verify.attacks.outcome import Input, Outcome, Runner, Setting, Unrealised, facts
from agent.verify.attacks.premises import Premises, toml
from agent.verify.attacks.reference import TABLE, flat
from strategies.errors import SettingsError
from wallets import acknowledged
from wallets.policy import policy_digest

RULE: Final = "settings"
ODD: Final[Mapping[str, str]] = {".nan": "nan", "nan": "nan", ".inf": "inf", "-.inf": "-inf", "inf": "inf", "Infinity": "inf"}
STANDS_FOR: Final = "policy.people"  # a required section, for those that nobody can leave out here
PREFIX: Final = "USUFRUCT_POLICY__"
KEEPER_SECONDS: Final = 30
LOOSER: Final = ("spend.window_24h_usd",)  # of an older file
LOOSER_USD: Final = 60_000


def configs_runner(at: Premises) -> Runner:
    """Loads what a case writes, in a folder of its own."""

    def run(handed: Input, _: Setting) -> Outcome:
        if handed.given:
            raise Unrealised(f"nobody tells a settings file {', '.join(handed.given)}")
        content = dict(handed.content["config"])
        house = at.another()
        if "change" in content:
            return changed(house, content)
        if "env" in content:
            return _with_variables(house, content)
        if "file" in content:
            return _with_file(house, content)
        return _loaded(house, content)

    return run


def _loaded(house: Premises, content: Mapping[str, Any]) -> Outcome:
    """What the loader says of a file, and whether anything else happened."""
    before = policy_digest(terms_of(house).policy)
    text = str(content.get("text", ""))
    paths = re.findall(r"(?<=[\s>\"'(])(/[\w./-]+)", text)
    if "same values" in text:
        house.write_settings(_again(house, text))
    elif text:
        house.write_settings(text)
    else:
        _write(house, content)
    why = refusal(house)
    after = "" if why else policy_digest(terms_of(house).policy)
    known = {"policy_hash_unchanged": "" if after == before else "the policy has another digest"}
    known |= {"policy_unchanged": "" if why or after == before else "another policy was loaded", "nothing_signed": ""}
    known |= {f"no_side_effect:{path}": "" if not Path(path).exists() else f"{path} is there" for path in paths}
    if why:
        return Outcome("reject_input", (RULE,), (why,), probe=facts(known))
    return Outcome("allow", (), (), probe=facts(known))


def refusal(house: Premises) -> str:
    """Why a keeper would not start on these files; empty where it would. The same steps as `usufruct keeper`."""
    try:
        settings = load_settings(house.config, {})
        load_deployment(settings)
        if not (house.folder / "keeper" / acknowledged.FILE).exists():
            acknowledge(house)
        require_live(settings)
    except SettingsError as error:
        return str(error)
    return ""


def acknowledge(house: Premises) -> None:
    """A person's word that the risks were read, as `usufruct acknowledge` records it."""
    told = acknowledged.Acknowledgement("alice", 0, acknowledged.text_digest(), "")
    acknowledged.put(house.folder / "keeper", told)


def _again(house: Premises, said: str) -> str:
    """The same values in another order, with comments."""
    lines = toml(house.content).splitlines()
    end = "\r\n" if "CRLF" in said or "line ending" in said else "\n"
    return "".join([f"# a comment{end}{line}  # another{end}" for line in reversed(lines)])


def _write(house: Premises, content: Mapping[str, Any]) -> None:
    """The settings and the deployment with what the case changes in them."""
    literals: dict[str, str] = {}
    written = copy.deepcopy(dict(house.content))
    for key, value in content.items():
        if key == "omit":
            _omit(written, str(value))
        elif key == "calls":
            house.write_deployment(_with_targets(house.deployment, value))
        else:
            literals |= dict(_literals(key, value))
    house.write_settings(toml(written, literals))


def _literals(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Lines of the file for one key of theirs and all below it."""
    for name, inner in flat({key: value}):
        if name == "chain_ids":
            yield "policy.chain_id", _literal(inner[0] if isinstance(inner, list) and inner else inner)
        elif name in TABLE:
            yield f"policy.{TABLE[name].key}", _literal(TABLE[name].convert(inner))
        else:
            yield f"policy.{_bare(name)}", _literal(inner)


def _bare(name: str) -> str:
    """A key of theirs as TOML can write it."""
    return ".".join([part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in name.split(".")])


def _literal(value: Any) -> str:
    """A value as it stands: odd numbers stay odd, text stays text."""
    if value is None:
        return '""'
    if isinstance(value, float):
        return "nan" if math.isnan(value) else ("-inf" if value < 0 else "inf") if math.isinf(value) else repr(value)
    if isinstance(value, str) and value in ODD:
        return ODD[value]
    return toml({"x": value}).removeprefix("x = ").removesuffix("\n") if not isinstance(value, Mapping) else "{}"


def _omit(written: dict[str, Any], key: str) -> None:
    """Leaves a section or a limit out."""
    ours = [f"policy.{TABLE[name].key}" for name in TABLE if name == key or name.startswith(f"{key}.")] or [STANDS_FOR]
    for path in ours:
        *sections, last = path.split(".")
        inner = written
        for section in sections:
            inner = inner[section]
        inner.pop(last, None)


def _with_targets(deployment: Mapping[str, Any], calls: Any) -> dict[str, Any]:
    """The registry with further targets, whatever they are called. Raises Unrealised."""
    if not isinstance(calls, Mapping):
        raise Unrealised(f"nobody can write the targets {calls!r}")
    further = [
        {"id": f"further:{at}", "protocol": "recorded_index", "address": target, "asset": "USDC", "contracts": {}}
        for at, target in enumerate(calls)
    ]
    return {**deployment, "markets": [*deployment["markets"], *further]}


def _with_variables(house: Premises, content: Mapping[str, Any]) -> Outcome:
    """A keeper started as people start it, with the variables set under our names."""
    if set(content) != {"env"}:
        raise Unrealised("nobody sets variables and something else")
    variables = dict(_variable(str(name), str(value)) for name, value in content["env"].items())
    before = policy_digest(terms_of(house).policy)
    command = [sys.executable, "-m", "agent", "keeper", "--config", str(house.config)]
    told = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=KEEPER_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    said = told.stdout + told.stderr
    after = policy_digest(terms_of(house).policy)
    known = facts({"policy_unchanged": "" if after == before else "the file says something else now"})
    named = all(name in said for name in variables)
    if told.returncode and named:
        return Outcome("reject_input", (RULE,), (said.strip()[:300],), probe=known)
    return Outcome("allow", (), (said.strip()[:300],), probe=known)


def _variable(name: str, value: str) -> tuple[str, str]:
    """A variable of theirs under our name for its key, else under the policy's."""
    parts = name.split("__")
    section = parts[0].rpartition("_")[2]
    key = ".".join([section, *parts[1:]]).lower()
    ours = TABLE[key].key if key in TABLE else ".".join(parts[1:] or parts).lower()
    return PREFIX + ours.replace(".", "__").upper(), value


def _with_file(house: Premises, content: Mapping[str, Any]) -> Outcome:
    """A settings file that lies somewhere, or is open to somebody. Raises Unrealised."""
    said = str(content["file"])
    if re.search(r"\b(old(er)?|last|previous|yesterday|backup|restor\w*|put back|replaced|swapped)\b", said):
        return changed(house, {"change": dict.fromkeys(LOOSER, LOOSER_USD)})  # nobody agrees to what an older file had wider
    if set(content) != {"file"}:
        raise Unrealised("nobody knows what a file and something else are together")
    if "symlink" in said or "symbolic" in said:
        place = house.folder / "open"
        place.mkdir()
        house.config.rename(place / "usufruct.toml")
        place.chmod(0o777)
        house.config.symlink_to(place / "usufruct.toml")
    elif mode := re.search(r"\b0?([0-7]{3})\b", said):
        house.config.chmod(int(mode[1], 8))
    elif re.search(r"writable|others", said):
        house.config.chmod(0o666)
    elif re.search(r"missing|absent|deleted|removed", said):
        house.config.unlink()
    elif re.search(r"empty", said):
        house.write_settings("")
    elif re.search(r"truncat|half", said):
        text = toml(house.content)
        house.write_settings(text[: len(text) // 2])
    elif re.search(r"binary|UTF|encod", said):
        house.write_settings(toml(house.content) + "\udcff")
    else:
        raise Unrealised(f"nobody knows the file {said!r}")
    why = refusal(house)
    return Outcome("reject_input" if why else "allow", (RULE,) if why else (), (why,) if why else (), probe=facts({}))
