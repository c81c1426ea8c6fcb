"""What a person has set: arguments over `USUFRUCT_…` variables over `usufruct.toml`, read once and passed on as values.

Refuses unknown and missing keys, secrets in the file, deployments that do not fit, and live runs on a chain that is not listed;
each problem is one line that says where, what was found and what to write instead. A secret's value is never repeated."""

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from pathlib import Path
from typing import Annotated, Final, cast, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings import SettingsError as UnreadableVariable

from agent.chooser import ModelSettings
from agent.prices import PriceSettings
from agent.settings_file import EXAMPLE, Content, Written, holds, nested, over, read
from strategies.benchmarks import EqualWeight, Idle
from strategies.catalogue import STANCES, Menu, Strategy
from strategies.decide import DecideSettings
from strategies.domain import Deployment
from strategies.errors import SettingsError
from strategies.lending_rotation import LendingRotation
from strategies.rebalance import Gate
from wallets import acknowledged
from wallets.compliance import never_live
from wallets.deployments import read_deployment
from wallets.endpoints import LOCAL_CHAIN_ID
from wallets.figures import NONE, NonNegative, Positive
from wallets.policy import TESTNETS, Policy

PREFIX: Final = "USUFRUCT_"
DELIMITER: Final = "__"
STRATEGIES: Final = ("lending_rotation", "equal_weight", "idle")
LIMITS: Final = ("policy", "prices", "strategy")  # sections whose missing figures must not be guessed
ENVIRONMENT_ONLY: Final = ("model", "api_key")
SHAPES: Final[Mapping[str, str]] = {
    r"^0x[0-9a-f]{40}$": "write 0x and forty hex digits in lower case",
    r"^[0-9a-f]{64}$": "write sixty-four hex digits in lower case",
    r"^[A-Z0-9]+/USD$": 'write a market quoted in dollars, such as "ETH/USD"',
    r"^https?://\S+$": "write an address that begins with http:// or https://",
}
KINDS: Final[Mapping[str, str]] = {
    "model_type": "write a section of its own, in square brackets",
    "dict_type": 'write a table, such as { WETH = "ETH/USD" }',
    "tuple_type": 'write a list, such as ["one", "two"]',
    "string_type": "write text in quotes",
}
FROZEN: Final = ConfigDict(frozen=True, extra="forbid")


def _http(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("http://", "https://")):
        raise ValueError("write an address that begins with http:// or https://")
    return url


def _listed(names: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    """Names from a list, at least one, none twice."""
    strange = [name for name in names if name not in known]
    if strange:
        raise ValueError(f"{strange[0]!r} is not known{_nearest(strange[0], known)}")
    if not names or len(set(names)) != len(names):
        raise ValueError(f"name at least one, and none twice, of: {', '.join(known)}")
    return names


class ChainSettings(BaseModel):
    """Which chain, and who is asked about it. The endpoint may carry a key, so it is never shown."""

    model_config = FROZEN
    endpoint: Annotated[SecretStr, AfterValidator(_http)]
    second_endpoint: Annotated[SecretStr, AfterValidator(_http)] | None = None  # must agree with the first
    deployment: Path
    read_timeout_seconds: Positive


class WalletSettings(BaseModel):
    """Where the keeper keeps the key, its store and its socket. The password is typed, or stands in a file of its own."""

    model_config = FROZEN
    keystore: Path
    folder: Path
    password_file: Path | None = None


class RotationSettings(BaseModel):
    """The parameters of strategies.lending_rotation."""

    model_config = FROZEN
    lookback_seconds: Positive
    threshold_bps: NonNegative
    count: Positive
    max_idle_bps: NonNegative


class GateSettings(BaseModel):
    """The parameters of strategies.rebalance.Gate."""

    model_config = FROZEN
    horizon_seconds: Positive
    lookback_seconds: Positive
    cost_multiple_bps: NonNegative
    min_wait_seconds: NonNegative
    min_change_bps: NonNegative
    max_base_fee_gwei: Positive


class StrategySettings(BaseModel):
    """What may be chosen, in order of preference, for which asset, and when a move is worth making."""

    model_config = FROZEN
    names: Annotated[tuple[str, ...], AfterValidator(lambda names: _listed(names, STRATEGIES))]
    stances: Annotated[tuple[str, ...], AfterValidator(lambda names: _listed(names, tuple(STANCES)))]
    asset: str
    cadence_seconds: Positive
    lending_rotation: RotationSettings
    gate: GateSettings


class RunSettings(BaseModel):
    """Where journals and checkpoints go."""

    model_config = FROZEN
    folder: Path


class Settings(BaseModel):
    """Everything a run is told. Reads nothing by itself: `load_settings` does, in one place and order."""

    model_config = FROZEN
    chain: ChainSettings
    policy: Policy
    wallet: WalletSettings
    strategy: StrategySettings
    prices: PriceSettings
    run: RunSettings
    model: ModelSettings | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What was written where, in order of precedence."""

    arguments: Content
    variables: Content
    file: Written

    def where(self, keys: Sequence[str | int]) -> str:
        """The place whose word counts for a key; empty where none says it."""
        if holds(self.arguments, keys):
            return "an argument"
        if holds(self.variables, keys):
            names = [PREFIX + DELIMITER.join(map(str, keys[:end])).upper() for end in range(len(keys), 0, -1)]
            return next((name for name in names if name in _variables()), PREFIX + "…")
        return self.file.place(keys) if holds(self.file.content, keys) else ""


def load_settings(path: Path, overrides: Mapping[str, object]) -> Settings:
    """The settings; `overrides` are dotted keys ("policy.max_day_usd"). Raises SettingsError, one line a problem."""
    given = Given(nested(overrides), _environment(), read(path))
    content = over(over(_rooted(given.file), given.variables), given.arguments)
    policy = content.get("policy")
    if isinstance(policy, dict) and policy.get("treasury") == NONE:
        content = over(content, {"policy": {"treasury": None}})
    problems = list(_misplaced(given))
    try:
        settings = Settings(**content)
    except ValidationError as error:
        problems += [_line(details, given) for details in error.errors(include_url=False)]
    if problems:
        raise SettingsError("\n".join(problems))  # outside the handler: the other's text repeats what was found, secrets too
    return settings


def policy_variables() -> tuple[str, ...]:
    """The variables that would change the policy: the keeper accepts none."""
    return tuple(name for name in _variables() if name.startswith(f"{PREFIX}POLICY"))


def load_deployment(settings: Settings) -> Deployment:
    """The deployment, once it fits the settings. Raises SettingsError, one line a problem."""
    try:
        deployment = read_deployment(settings.chain.deployment)
    except SettingsError as error:
        raise SettingsError(f"chain.deployment: {error}") from None
    if problems := list(_unfit(settings, deployment)):
        raise SettingsError("\n".join(problems))
    return deployment


def decide_settings(settings: Settings, deployment: Deployment) -> DecideSettings:
    """What a run decides with, from parameters that a person wrote."""
    chosen = settings.strategy
    asset, cadence_seconds = deployment.asset(chosen.asset), chosen.cadence_seconds
    known: dict[str, Strategy] = {
        "lending_rotation": LendingRotation(asset, cadence_seconds, **chosen.lending_rotation.model_dump()),
        "equal_weight": EqualWeight(asset, cadence_seconds),
        "idle": Idle(asset, cadence_seconds),
    }
    menu = Menu(tuple((name, known[name]) for name in chosen.names), chosen.stances)
    return DecideSettings(asset, menu, Gate(**chosen.gate.model_dump()))


def require_live(settings: Settings) -> None:
    """Refuses to start a live run that could not be safe. Raises SettingsError, one line a problem."""
    if problems := list(_unsafe(settings)):
        raise SettingsError("\n".join(problems))


def _unsafe(settings: Settings) -> Iterator[str]:
    policy, wallet = settings.policy, settings.wallet
    if policy.chain_id not in TESTNETS:
        listed = ", ".join(map(str, sorted(TESTNETS)))
        yield f"policy.chain_id: live runs are on test chains only ({listed}), found {policy.chain_id}; use paper mode"
    if not policy.operators:
        yield "policy.operators: a live run needs a person who can say yes; enrol one under [[policy.operators]]"
    if why := never_live(policy.compliance):
        yield f"policy.compliance.jurisdiction: {why}"
    if policy.compliance.screening is None and policy.chain_id != LOCAL_CHAIN_ID:
        yield "policy.compliance.screening: only a private chain needs no list of addresses; name the file of one"
    try:
        acknowledged.read(wallet.folder)
    except SettingsError as error:
        yield f"wallet.folder: {error}"
    for key, path in (("keystore", wallet.keystore), ("password_file", wallet.password_file)):
        if path is not None and (why := _exposed(path)):
            yield f"wallet.{key}: {path} {why}"
    if wallet.keystore.is_file() and (found := _keystore_account(wallet.keystore)) != _signing(policy):
        named = "policy.account" if policy.safe is None else "policy.safe.member"
        yield f"{named}: found {_signing(policy)}, but the keystore holds {found or 'no address'}; write the same in both"


def _exposed(path: Path) -> str:
    """Why a file cannot be trusted with a secret; empty where it can."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror}); `usufruct wallet create` makes a keystore"
    if not stat.S_ISREG(mode):
        return "is no file"
    return f"is open to others (mode {stat.S_IMODE(mode):o}); run `chmod 600 {path}`" if mode & 0o177 else ""


def _signing(policy: Policy) -> str:
    """Whose key signs."""
    return policy.account if policy.safe is None else policy.safe.member


def _keystore_account(path: Path) -> str:
    """The address a keystore says it holds, lower-case; empty where it says none."""
    try:
        address = str(json.loads(path.read_bytes())["address"]).lower()
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return "0x" + address.removeprefix("0x")


def _unfit(settings: Settings, deployment: Deployment) -> Iterator[str]:
    """What the settings name that the deployment does not have."""
    if deployment.chain_id != settings.policy.chain_id:
        yield f"policy.chain_id: found {settings.policy.chain_id}; the deployment is of chain {deployment.chain_id}"
    markets = [market.id for market in deployment.markets]
    symbols = [asset.symbol for asset in deployment.assets]
    for key, names, known in (
        ("policy.markets", settings.policy.markets, markets),
        ("strategy.asset", (settings.strategy.asset,), symbols),
        ("prices.symbols", tuple(settings.prices.symbols), symbols),
    ):
        yield from (f"{key}: the deployment has no {name!r}{_nearest(name, known)}" for name in names if name not in known)


def _variables() -> dict[str, str]:
    """This project's variables, by upper-case name."""
    return {name.upper(): text for name, text in os.environ.items() if name.upper().startswith(PREFIX)}


def _environment() -> Content:
    """What the variables say, nested."""
    try:
        # the source only looks at fields; a BaseSettings would read the environment whenever it is made
        fields = cast("type[BaseSettings]", Settings)
        return EnvSettingsSource(fields, env_prefix=PREFIX, env_nested_delimiter=DELIMITER, case_sensitive=False)()
    except UnreadableVariable as error:
        text = getattr(error.__cause__, "doc", None)  # the JSON reader's own copy of what it could not read
    where = next((name for name, value in _variables().items() if value == text), PREFIX + "…")
    raise SettingsError(f'{where}: a list or table is written as JSON, such as ["one", "two"]')


def _rooted(file: Written) -> Content:
    """What the file says, its relative paths taken from its own folder."""
    content = file.content
    for *sections, field in _paths(Settings):
        if holds(content, (*sections, field)):
            table = reduce(lambda inner, section: inner[section], sections, content)
            if isinstance(table[field], str) and table[field] != NONE:
                rooted = str(file.path.parent.absolute() / Path(table[field]).expanduser())
                content = over(content, nested({".".join((*sections, field)): rooted}))
    return content


def _paths(shape: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """The keys of every setting that is a path."""
    for name, field in shape.model_fields.items():
        if Path in (field.annotation, *get_args(field.annotation)):
            yield (name,)
        elif (table := _table(field.annotation)) is not None and get_origin(field.annotation) is not tuple:
            yield from ((name, *keys) for keys in _paths(table))


def _misplaced(given: Given) -> Iterator[str]:
    """Variables of no section, and secrets in a place that others read."""
    for name in _variables():
        section = name.removeprefix(PREFIX).partition(DELIMITER)[0].lower()
        if section not in Settings.model_fields:
            yield f"{name}: no such setting{_nearest(section, tuple(Settings.model_fields))}"
    for content, place in ((given.arguments, "an argument"), (given.file.content, given.file.place(ENVIRONMENT_ONLY))):
        if holds(content, ENVIRONMENT_ONLY):
            key, name = ".".join(ENVIRONMENT_ONLY), PREFIX + DELIMITER.join(ENVIRONMENT_ONLY).upper()
            yield f"{key} in {place}: a secret is given by environment only; remove it and set {name}"


def _line(details: ErrorDetails, given: Given) -> str:
    """One problem: where, what, and what to write instead."""
    keys, kind = details["loc"], details["type"]
    key = ".".join(map(str, keys))
    if kind == "missing":
        return f"{key}: missing; {_how_to_write(keys, given.file)}"
    place = given.where(keys)
    where = f"{key} in {place}" if place else key
    holder, shape = _shapes(keys)
    if kind == "extra_forbidden":
        return f"{where}: no such setting{_nearest(str(keys[-1]), tuple(holder.model_fields) if holder else ())}"
    told = KINDS.get(kind, details["msg"].removeprefix("Value error, "))
    what = SHAPES.get(str(details.get("ctx", {}).get("pattern")), told)
    silent = shape is None or _table(shape) is not None or SecretStr in (shape, *get_args(shape))
    shown = isinstance(details["input"], str | int | float) and not silent
    return f"{where}: found {details['input']!r}; {what}" if shown else f"{where}: {what}"


def _how_to_write(keys: Sequence[str | int], file: Written) -> str:
    _, shape = _shapes(keys)
    if any(isinstance(key, int) for key in keys):
        return f"write `{keys[-1]} = …` in each entry of {keys[0]}.{keys[1]}"
    if _table(shape) is not None and get_origin(shape) is not tuple:
        return f"write a section [{'.'.join(map(str, keys))}] in {file.path}; {EXAMPLE} has a complete one"
    why = "limits have no defaults: " if keys[0] in LIMITS else ""
    under, name = ".".join(map(str, keys[:-1])), DELIMITER.join(map(str, keys)).upper()
    return f"{why}write `{keys[-1]} = …` under [{under}] in {file.place(keys[:-1])}, or set {PREFIX}{name}"


def _shapes(keys: Sequence[str | int]) -> tuple[type[BaseModel] | None, object]:
    """The table a key stands in, and the type of its value; None where the settings have none."""
    holder: type[BaseModel] | None = Settings
    shape: object = Settings
    for key in keys:
        holder = _table(shape)
        if isinstance(key, str):
            field = holder.model_fields.get(key) if holder else None
            shape = field.annotation if field else None
    return holder, shape


def _table(shape: object) -> type[BaseModel] | None:
    """The table in a type: itself, or what an optional or a list of them holds."""
    return next((s for s in (shape, *get_args(shape)) if isinstance(s, type) and issubclass(s, BaseModel)), None)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
