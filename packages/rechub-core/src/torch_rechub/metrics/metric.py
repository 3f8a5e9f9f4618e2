"""`Metric`: the description of a metric for trainers, early stopping and loggers."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .._bounds import check_whole
from .._errors import UnknownChoiceError
from .names import Direction, Labels, Needs


@dataclass(frozen=True)
class Metric:
    """A metric: name, function, direction and required inputs.

    Args:
        name: The recorded name, after "val/" or "test/": letters, digits, and _ . @ -.
        function: A function that returns the metric as a float; `needs` determines its arguments.
        direction: "max" if larger values are better, "min" if smaller ones are. None: the metric is
            recorded, but cannot be monitored, such as calibration, whose best value is 1.
        needs: "predictions": `function(labels, scores)`, arrays (N,). "groups":
            `function(labels, scores, groups)`, arrays (N,). "hits": `function(hits, n_relevant)`,
            arrays (U, k) and (U,), as `ranking_metrics_from_hits` takes them. "lists":
            `function(lists)` of `RankedLists`, cut at rank k.
        k: The ranks that "hits" and "lists" are cut at; None for the other needs.
        labels: "binary" for a metric that is defined on labels 0 and 1 only, "probability" for one
            of labels in [0, 1], "real" for any labels.
        weighted: How the function takes the weights of rows, where the data have any. True:
            by a keyword argument `weights`, an array (N,), or (U,) with lists. A text: by the
            keyword of that name, such as "sample_weight". False: not at all; rows of weight 0 are
            left out, and all others count alike. None: it is unknown, and data with weights are
            refused.

    Raises:
        TypeError: `name` is not a string, `function` is not callable, or `k` is not a number.
        ValueError: `name` is empty or illegal, `direction`, `needs` or `labels` has another value,
            or `k` is missing, below 1, or given to a metric without ranks.

    Example:
        >>> Metric("mape", lambda y, p: float(abs(y - p).mean()), "min").direction
        'min'
        >>> Metric("bias", lambda y, p, weights=None: 0.0, None, weighted=True).weighted
        True
    """

    name: str
    function: Callable[..., float]
    direction: Direction | None
    needs: Needs = "predictions"
    k: int | None = None
    labels: Labels = "real"
    weighted: bool | str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"the name of a metric must be a text, got {self.name!r}")
        if not re.fullmatch(r"[\w.@-]+", self.name):
            raise ValueError(
                f"the name of a metric must be letters, digits and _ . @ -, got {self.name!r}"
            )
        if not callable(self.function):
            raise TypeError(f"the function of metric {self.name} must be callable")
        if self.direction not in ("max", "min", None):
            raise UnknownChoiceError(
                f"direction must be 'max', 'min' or None, got {self.direction!r}"
            )
        if self.needs not in ("predictions", "groups", "hits", "lists"):
            raise UnknownChoiceError(
                f"needs must be 'predictions', 'groups', 'hits' or 'lists', got {self.needs!r}"
            )
        if self.labels not in ("binary", "probability", "real"):
            raise UnknownChoiceError(
                f"labels must be 'binary', 'probability' or 'real', got {self.labels!r}"
            )
        if not isinstance(self.weighted, bool | str | None):
            raise TypeError(
                f"weighted must be True, False, None or the name of an argument, got "
                f"{self.weighted!r}"
            )
        check_whole(1, k=self.k)
        if (self.k is None) == (self.needs in ("hits", "lists")):
            wanted = "must be given" if self.k is None else "must be None"
            raise ValueError(
                f"k {wanted} for metric {self.name}, which needs {self.needs}, got {self.k}"
            )
