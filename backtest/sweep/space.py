"""The parameter sets of a sweep: a grid, a random sample, or a Latin hypercube of listed values and ranges. Refuses a name that
the strategy does not have, a value of another kind, a sample larger than the space, and a grid over a range without a step.

Names are the fields of the strategy, and those of the gate after `gate.`. A sample is drawn without repetition from a generator
whose seed is an argument. Latin hypercube: McKay, Beckman and Conover (1979), "A Comparison of Three Methods for Selecting Values
of Input Variables"."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from itertools import product
from typing import Any, Final, TypeAlias, get_type_hints

import numpy as np

from backtest.runs import RunSettings
from strategies.catalogue import Menu, Strategy
from strategies.errors import SettingsError
from strategies.rebalance import Gate
from strategies.tape import Ints

GATE: Final = "gate."
MOST_SETS: Final = 1_000_000  # a longer list is no sweep that anyone waits for
AT_LEAST_ONE: Final = ("cadence_seconds", "lookback_seconds", "count")  # zero of it is no parameter set
Value: TypeAlias = int | str
ParameterSet: TypeAlias = tuple[tuple[str, Value], ...]  # in the order of the space's axes


@dataclass(frozen=True, slots=True)
class Listed:
    """A parameter and the values it may take, in the order they were written."""

    name: str
    values: tuple[Value, ...]

    def __len__(self) -> int:
        return len(self.values)

    def at(self, place: int) -> Value:
        """The value at a place from 0."""
        return self.values[place]


@dataclass(frozen=True, slots=True)
class Spread:
    """A parameter and the whole numbers it may take: from the lowest to the highest, `step` apart; a grid needs the step said."""

    name: str
    low: int
    high: int
    step: int | None

    def __len__(self) -> int:
        return (self.high - self.low) // (self.step or 1) + 1

    def at(self, place: int) -> Value:
        """The value at a place from 0."""
        return self.low + place * (self.step or 1)


Axis: TypeAlias = Listed | Spread


@dataclass(frozen=True, slots=True)
class Space:
    """What may vary, checked against the strategy and the gate it is of. Raises SettingsError."""

    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """How many different sets there are."""
        return math.prod(len(axis) for axis in self.axes)

    def one(self, places: Sequence[int]) -> ParameterSet:
        """The set at a place on each axis."""
        return tuple((axis.name, axis.at(place)) for axis, place in zip(self.axes, places, strict=True))


def space_of(axes: Sequence[Axis], settings: RunSettings) -> Space:
    """A space over the one strategy of a run and its gate. Raises SettingsError."""
    if not axes:
        raise SettingsError("nothing varies: name a parameter and its values, as threshold_bps=10,25,50")
    names = [axis.name for axis in axes]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise SettingsError(f"{twice} is given twice: put its values into one list")
    strategy = only_strategy(settings)
    for axis in axes:
        _check(axis, strategy, settings.decide.gate)
    return Space(tuple(axes))


def only_strategy(settings: RunSettings) -> Strategy:
    """The one strategy of a run. Raises SettingsError where there are several: no parameter would be anybody's."""
    if len(settings.decide.menu.strategies) != 1:
        raise SettingsError("a sweep is of one strategy: the run's menu has several")
    return settings.decide.menu.strategies[0][1]


def grid(space: Space) -> tuple[ParameterSet, ...]:
    """Every set, the last axis fastest. Raises SettingsError for a range without a step, and for more sets than anyone runs."""
    for axis in space.axes:
        if isinstance(axis, Spread) and axis.step is None:
            raise SettingsError(f"{axis.name}: a grid needs a step, as {axis.low}..{axis.high}:STEP; or draw a sample")
    _not_endless(space.size)
    return tuple(space.one(places) for places in product(*(range(len(axis)) for axis in space.axes)))


def random_sets(space: Space, count: int, seed: int) -> tuple[ParameterSet, ...]:
    """So many different sets, each as likely as any other. Raises SettingsError."""
    _drawable(space, count)
    drawn = np.random.default_rng(seed).choice(space.size, size=count, replace=False)
    return tuple(space.one(_digits(space, int(number))) for number in drawn)


def latin_sets(space: Space, count: int, seed: int) -> tuple[ParameterSet, ...]:
    """So many sets of which each axis, cut into as many strata, has one in each; sets that come out equal are given once. Raises
    SettingsError."""
    _drawable(space, count)
    random = np.random.default_rng(seed)
    columns = []
    for axis in space.axes:
        within = (random.permutation(count) + random.random(count)) / count
        columns.append(np.minimum((within * len(axis)).astype(np.int64), len(axis) - 1))
    places: Ints = np.stack(columns, axis=1)
    return tuple(dict.fromkeys(space.one(row) for row in places.tolist()))


def with_parameters(settings: RunSettings, chosen: ParameterSet) -> RunSettings:
    """The run's settings with a set in place of what they said. The names must have passed `space_of`."""
    name, strategy = settings.decide.menu.strategies[0]
    of_gate: dict[str, Any] = {key.removeprefix(GATE): value for key, value in chosen if key.startswith(GATE)}
    of_strategy: dict[str, Any] = {key: value for key, value in chosen if not key.startswith(GATE)}
    # a strategy is a frozen dataclass of its parameters: that is the rule of its folder, which the protocol cannot say
    menu = Menu(((name, replace(strategy, **of_strategy)),), settings.decide.menu.stances)  # type: ignore[type-var]
    return replace(settings, decide=replace(settings.decide, menu=menu, gate=replace(settings.decide.gate, **of_gate)))


def _check(axis: Axis, strategy: Strategy, gate: Gate) -> None:
    owner, name = (gate, axis.name.removeprefix(GATE)) if axis.name.startswith(GATE) else (strategy, axis.name)
    kinds = _kinds(owner)
    if name not in kinds:
        _unknown(axis.name, strategy, gate)
    kind = kinds[name]
    if kind not in (int, str):
        raise SettingsError(f"{axis.name} is settled by the run and cannot vary")
    if isinstance(axis, Spread):
        _check_spread(axis, kind)
        return
    if not axis.values:
        raise SettingsError(f"{axis.name}: no value is given")
    for value in axis.values:
        if type(value) is not kind:
            wanted = "whole numbers" if kind is int else "names"
            raise SettingsError(f"{axis.name}={value}: {axis.name} takes {wanted}")
        if axis.values.count(value) > 1:
            raise SettingsError(f"{axis.name}={value} is given twice")
        _check_least(axis.name, name, value)


def _check_spread(axis: Spread, kind: Any) -> None:
    if kind is not int:
        raise SettingsError(f"{axis.name} takes names: list them, a range has none")
    if axis.high < axis.low or (axis.step is not None and axis.step < 1):
        raise SettingsError(f"{axis.name}={axis.low}..{axis.high}: a range rises, by a step of 1 or more")
    _check_least(axis.name, axis.name, axis.low)


def _check_least(shown: str, name: str, value: Value) -> None:
    least = 1 if name in AT_LEAST_ONE else 0
    if isinstance(value, int) and value < least:
        raise SettingsError(f"{shown}={value}: it must be {least} or more")


def _kinds(owner: object) -> dict[str, Any]:
    """Field name to its type."""
    if not is_dataclass(owner):
        raise SettingsError(f"{type(owner).__name__} has no declared parameters: a strategy is a frozen dataclass of them")
    hints = get_type_hints(type(owner))
    return {field.name: hints[field.name] for field in fields(owner)}


def _unknown(name: str, strategy: Strategy, gate: Gate) -> None:
    known = [*(key for key, kind in _kinds(strategy).items() if kind in (int, str)), *(GATE + key for key in _kinds(gate))]
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise SettingsError(f"{name} is no parameter of {type(strategy).__name__}: {hint}known: {', '.join(known)}")


def _drawable(space: Space, count: int) -> None:
    if count < 1:
        raise SettingsError(f"{count} sets are no sample")
    if space.size >= 2**63:
        raise SettingsError("the space has too many sets to draw from: give some range a larger step")
    if count > space.size:
        raise SettingsError(f"the space has {space.size} sets only, not {count}: take the grid")
    _not_endless(count)


def _not_endless(count: int) -> None:
    if count > MOST_SETS:
        raise SettingsError(f"{count:,} sets are more than {MOST_SETS:,}: draw a sample, or vary less")


def _digits(space: Space, number: int) -> tuple[int, ...]:
    """A number below the space's size as a place on each axis."""
    places = []
    for axis in reversed(space.axes):
        number, place = divmod(number, len(axis))
        places.append(place)
    return tuple(reversed(places))
