"""Search spaces: ranges are checked when they are written down, values come back as given."""

import json
import math

import optuna
import pytest

from torch_rechub.tune import Choice, Float, Int
from torch_rechub.tune.space import as_space, described, space_of, suggest

SPACE = {
    "lr": Float(1e-4, 1e-1, log=True),
    "dropout": Float(0.0, 0.5, step=0.1),
    "layers": Int(1, 4),
    "width": Int(16, 128, step=16),
    "dim": Int(4, 256, log=True),
    "dims": Choice([[64], [64, 32], {"a": [1, None]}, "64", None, 0.5]),
}


def drawn(space, n):
    """The parameters of n trials drawn at random."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(n):
        trial = study.ask()
        yield {name: suggest(trial, name, parameter) for name, parameter in space.items()}


def test_every_drawn_value_is_one_of_its_range():
    trials = list(drawn(SPACE, 300))
    assert all(1e-4 <= t["lr"] <= 1e-1 for t in trials)
    assert {round(t["dropout"], 9) for t in trials} == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}
    assert {t["layers"] for t in trials} == {1, 2, 3, 4}
    assert {t["width"] for t in trials} == set(range(16, 129, 16))
    assert all(4 <= t["dim"] <= 256 and type(t["dim"]) is int for t in trials)
    assert {json.dumps(t["dims"]) for t in trials} == set(map(json.dumps, SPACE["dims"].choices))


def test_a_logarithmic_range_is_drawn_evenly_in_decades():
    values = [t["lr"] for t in drawn({"lr": SPACE["lr"]}, 600)]
    decades = [sum(10.0**d <= v < 10.0 ** (d + 1) for v in values) for d in (-4, -3, -2)]
    assert all(abs(n - 200) < 4 * math.sqrt(600 / 3 * 2 / 3) for n in decades), decades


def test_a_space_comes_back_from_json():
    assert space_of(json.loads(json.dumps(described(SPACE)))) == SPACE


def test_the_distributions_of_optuna_are_taken_too():
    kinds = optuna.distributions
    given = {
        "lr": kinds.FloatDistribution(1e-4, 1e-1, log=True),
        "dropout": kinds.FloatDistribution(0.0, 0.5, step=0.1),
        "layers": kinds.IntDistribution(1, 4),
        "act": kinds.CategoricalDistribution(["relu", "dice"]),
    }
    same = {name: SPACE[name] for name in ("lr", "dropout", "layers")}
    assert as_space(given) == {**same, "act": Choice(["relu", "dice"])}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Float(1, 0), ValueError, "low must be at most high, got low=1 and high=0"),
        (lambda: Float(0, 1, log=True), ValueError, "low must be above 0 on a logarithmic scale"),
        (lambda: Float(0, math.inf), ValueError, "high must be .*finite, got inf"),
        (lambda: Float(math.nan, 1), ValueError, "low must be"),
        (lambda: Float("0", 1), TypeError, "low must be a number, got '0'"),
        (lambda: Float(0, 1, step=0.3), ValueError, "the largest value is 0.9"),
        (lambda: Float(1, 2, step=0.5, log=True), ValueError, "step has no meaning"),
        (lambda: Float(0, 1, step=0), ValueError, "step must be above 0"),
        (lambda: Int(1, 2.5), ValueError, "high must be a whole number, got 2.5"),
        (lambda: Int(1, True), TypeError, "high must be a whole number, got True"),
        (lambda: Int(8, 65, step=8), ValueError, "the largest value is 64"),
        (lambda: Int(0, 8, log=True), ValueError, "low must be above 0"),
        (lambda: Int(1, 8, step=0), ValueError, "step must be at least 1"),
        (lambda: Choice([]), ValueError, "at least one value"),
        (lambda: Choice("relu"), TypeError, "choices must be a list"),
        (lambda: Choice([1, True]), ValueError, "choices must differ, got 1 and True"),
        (lambda: Choice([[1], "[1]"]), ValueError, "choices must differ"),
        (lambda: Choice([math.nan]), ValueError, "choices must be"),
        (lambda: Choice([object]), TypeError, "choose among names"),
        (lambda: as_space({}), ValueError, "at least one parameter"),
        (lambda: as_space([Int(1, 2)]), TypeError, "must be a dict"),
        (lambda: as_space({1: Int(1, 2)}), TypeError, "names of parameters must be texts"),
        (lambda: as_space({"x": (1, 2)}), TypeError, r"space\['x'\] must be Float, Int, Choice"),
        (lambda: as_space({"seed": Int(0, 9)}), ValueError, r"give seeds=\(0, 1, 2\)"),
        (lambda: as_space({"trial": Int(0, 9)}), ValueError, "give the parameter another name"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
