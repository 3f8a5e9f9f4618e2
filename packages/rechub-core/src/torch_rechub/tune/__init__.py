"""Searches for hyper-parameters, each trial recorded as a run; needs the extra ``tune`` (Optuna).

Example:
    >>> from torch_rechub.tune import Float, tune
    >>> search = tune(lambda trial: -abs(trial.params["x"]), {"x": Float(-1, 1)}, 5, mode="max")
    >>> len(search.trials), search.best.state
    (5, 'finished')
"""

from .goal import SearchError
from .search import Search, TrialResult, load_search
from .space import Choice, Float, Int
from .trial import Trial
from .tuning import tune

__all__ = [
    "Choice",
    "Float",
    "Int",
    "Search",
    "SearchError",
    "Trial",
    "TrialResult",
    "load_search",
    "tune",
]
