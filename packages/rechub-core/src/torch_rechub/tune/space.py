"""Search spaces: the parameters of a search with their ranges, as plain data."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from typing import Any

from .._bounds import check_number, check_whole, refuse_none
from ..runs.values import signature

# Hyper-parameters that a run records about itself, or that trainers and `rechub` give a meaning.
RESERVED = frozenset({
    "code", "data", "environment", "monitor", "monitor_direction", "parent_digest",
    "parent_run_id", "random_seed", "run_group", "run_id", "run_tags", "seed", "torch_seed",
    "trial",
})  # fmt: skip


@dataclass(frozen=True)
class Float:
    """A number of a range, both ends included.

    Args:
        low: The smallest value.
        high: The largest value.
        log: Whether values are drawn evenly on a logarithmic scale, as for learning rates.
        step: The distance of neighboring values; None allows every number.

    Raises:
        TypeError: A bound is not a number.
        ValueError: The range is empty or not finite; `log` without positive bounds, or with a
            step; `high` is not a whole number of steps above `low`.

    Example:
        >>> Float(1e-4, 1e-1, log=True)
        Float(low=0.0001, high=0.1, log=True, step=None)
    """

    low: float
    high: float
    _: KW_ONLY
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        refuse_none(low=self.low, high=self.high)
        check_number("(-inf, inf)", low=self.low, high=self.high)
        check_number("(0, inf)", step=self.step)
        _check_range(self)
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if not math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9):
                raise ValueError(_not_whole(self, self.low + math.floor(steps) * self.step))

    def decoded(self, value: Any) -> float:
        """The value of the parameter that Optuna holds as `value`."""
        return float(value)


@dataclass(frozen=True)
class Int:
    """A whole number of a range, both ends included.

    Args:
        low: The smallest value.
        high: The largest value.
        log: Whether values are drawn evenly on a logarithmic scale, as for sizes.
        step: The distance of neighboring values.

    Raises:
        TypeError: A bound is not a number.
        ValueError: The range is empty; `log` without positive bounds, or with a step; `high` is
            not a whole number of steps above `low`.

    Example:
        >>> Int(16, 128, step=16)
        Int(low=16, high=128, log=False, step=16)
    """

    low: int
    high: int
    _: KW_ONLY
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        refuse_none(low=self.low, high=self.high, step=self.step)
        check_whole(-(2**53), low=self.low, high=self.high)  # trackers keep numbers as floats
        check_whole(1, step=self.step)
        _check_range(self)
        if (self.high - self.low) % self.step:
            steps = (self.high - self.low) // self.step
            raise ValueError(_not_whole(self, self.low + steps * self.step))

    def decoded(self, value: Any) -> int:
        """The value of the parameter that Optuna holds as `value`."""
        return int(value)


@dataclass(frozen=True)
class Choice:
    """One of several values: plain data, such as texts, numbers or lists.

    Args:
        choices: The values: None, bool, int, float, str, and lists and dicts of these.

    Raises:
        TypeError: A value is not plain data.
        ValueError: There is no value, a number is not finite, or two values are equal; 1, 1.0 and
            True count as equal, as does a list with its JSON text.

    Example:
        >>> Choice(["relu", "dice"]), Choice([[64], [128, 64]]).choices[1]
        (Choice(choices=('relu', 'dice')), [128, 64])
    """

    choices: Sequence[Any]

    def __post_init__(self) -> None:
        if isinstance(self.choices, str | Mapping) or not isinstance(self.choices, Sequence):
            raise TypeError(f"choices must be a list of values, got {self.choices!r}")
        if not self.choices:
            raise ValueError("choices must have at least one value, got none")
        object.__setattr__(self, "choices", tuple(_plain(value) for value in self.choices))
        for i, value in enumerate(self.choices):
            for other in self.choices[:i]:
                if value == other or signature(value) == signature(other):
                    raise ValueError(f"choices must differ, got {other!r} and {value!r}")

    @property
    def encoded(self) -> list[Any]:
        """The values as Optuna holds them: lists and dicts as JSON."""
        return [_encoded(value) for value in self.choices]

    def decoded(self, value: Any) -> Any:
        """The value of the parameter that Optuna holds as `value`."""
        return self.choices[self.encoded.index(value)]


Parameter = Float | Int | Choice


def as_space(space: Any) -> dict[str, Parameter]:
    """Return a search space with Optuna's distributions replaced by `Float`, `Int` and `Choice`.

    Args:
        space: Name to parameter.

    Raises:
        TypeError: The space is not a dict of parameters by name.
        ValueError: It is empty, or a name has another meaning in records of runs.

    Example:
        >>> as_space({"lr": Float(1e-4, 1e-2, log=True), "dims": Choice([[64], [32]])})["lr"].high
        0.01
    """
    if not isinstance(space, Mapping):
        raise TypeError(f"space must be a dict of name to Float, Int or Choice, got {space!r}")
    if not space:
        raise ValueError("space must have at least one parameter, got none")
    for name in space:
        if not isinstance(name, str) or not name:
            raise TypeError(f"space: names of parameters must be texts, got {name!r}")
        if name in RESERVED:
            raise ValueError(
                f"space: {name!r} has a meaning of its own in the record of a run: "
                + ("give seeds=(0, 1, 2)" if "seed" in name else "give the parameter another name")
            )
    return {name: _parameter(name, given) for name, given in space.items()}


def described(space: Mapping[str, Parameter]) -> dict[str, Any]:
    """A space as plain data, for the journal."""
    return {
        name: {"kind": type(parameter).__name__, **json.loads(json.dumps(asdict(parameter)))}
        for name, parameter in space.items()
    }


def space_of(description: Mapping[str, Any]) -> dict[str, Parameter]:
    """The space of a description by `described`."""
    kinds: dict[str, Any] = {kind.__name__: kind for kind in (Float, Int, Choice)}
    space = {}
    for name, fields in description.items():
        arguments = dict(fields)
        space[name] = kinds[arguments.pop("kind")](**arguments)
    return space


def suggest(trial: Any, name: str, parameter: Parameter) -> Any:
    """Return the value of a parameter in a trial of Optuna, drawn unless it was before."""
    if isinstance(parameter, Choice):
        value = trial.suggest_categorical(name, parameter.encoded)
    elif isinstance(parameter, Int):
        value = trial.suggest_int(name, **_arguments(parameter))
    else:
        value = trial.suggest_float(name, **_arguments(parameter))
    return parameter.decoded(value)


def encoded(space: Mapping[str, Parameter], params: Any) -> dict[str, Any]:
    """Return parameters that a user chose, as Optuna holds them.

    Raises:
        TypeError: They are not a dict.
        ValueError: A parameter is missing, unknown, or not of its range.

    Example:
        >>> encoded({"x": Int(0, 9), "dims": Choice([[64], [32]])}, {"x": 3, "dims": [64]})
        {'x': 3, 'dims': '[64]'}
    """
    if not isinstance(params, Mapping):
        raise TypeError(f"first must be a list of dicts of name to value, got {params!r}")
    if params.keys() != space.keys():
        raise ValueError(f"first must have the parameters {list(space)}, got {list(params)}")
    found = {}
    for name, parameter in space.items():
        if not _contains(parameter, params[name]):
            raise ValueError(f"first: {name!r} must be one of {parameter}, got {params[name]!r}")
        found[name] = _encoded(_plain(params[name]))
    return found


def _contains(parameter: Parameter, value: Any) -> bool:
    if isinstance(parameter, Choice):
        return any(type(value) is type(one) and value == one for one in parameter.choices)
    kinds = int if isinstance(parameter, Int) else int | float
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    steps = 0.0 if parameter.step is None else (value - parameter.low) / parameter.step
    whole = math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-9)
    return parameter.low <= value <= parameter.high and whole


def _arguments(parameter: Float | Int) -> dict[str, Any]:
    return {key: getattr(parameter, key) for key in ("low", "high", "log", "step")}


def _parameter(name: str, given: Any) -> Parameter:
    if isinstance(given, Float | Int | Choice):
        return given
    kind = type(given).__name__
    try:
        if kind == "FloatDistribution":
            return Float(given.low, given.high, log=given.log, step=given.step)
        if kind == "IntDistribution":
            return Int(given.low, given.high, log=given.log, step=given.step)
        if kind == "CategoricalDistribution":
            return Choice(given.choices)
    except (TypeError, ValueError) as error:
        raise type(error)(f"space[{name!r}]: {error}") from error
    raise TypeError(
        f"space[{name!r}] must be Float, Int, Choice or a distribution of Optuna, got {given!r}"
    )


def _check_range(parameter: Float | Int) -> None:
    low, high = parameter.low, parameter.high
    if low > high:
        raise ValueError(f"low must be at most high, got low={low!r} and high={high!r}")
    if parameter.log and low <= 0:
        raise ValueError(f"low must be above 0 on a logarithmic scale, got {low!r}")
    if parameter.log and parameter.step not in (None, 1):
        raise ValueError(f"step has no meaning on a logarithmic scale, got {parameter.step!r}")


def _not_whole(parameter: Float | Int, reached: float) -> str:
    return (
        f"high must be a whole number of steps of {parameter.step!r} above low, got "
        f"high={parameter.high!r}: the largest value is {reached:.12g}"
    )


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        check_number("(-inf, inf)", choices=value)
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: _plain(item) for name, item in value.items()}
    raise TypeError(
        "choices must be plain data (None, bool, int, float, str, lists and dicts), got "
        f"{value!r}: choose among names, and let the objective make the object"
    )


def _encoded(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else value
