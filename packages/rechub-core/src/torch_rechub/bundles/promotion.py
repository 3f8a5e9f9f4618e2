"""Two models on the same newer rows, and the decision for the new one."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .._bounds import check_number
from ..metrics.computing import of_predictions
from ..metrics.monitor import as_metrics
from ..metrics.names import direction_of
from ..types import FilePath

if TYPE_CHECKING:
    import pandas as pd

    from ..data.preprocessing import Preprocessor

_TASKS = ("ranking", "multi_task")
METRICS = ("auc", "log_loss", "ne", "calibration")


class Predicts(Protocol):
    """A loaded bundle of rows, or what `continue_from` of a trainer returns."""

    preprocessor: "Preprocessor | None"

    def predict(self, rows: Any) -> Any:
        """Return the prediction of each raw row."""
        ...


class Promotion(NamedTuple):
    """A decision, which is true where the new model is to replace the old one.

    Attributes:
        promoted: The decision.
        reason: The reason, a sentence.
    """

    promoted: bool
    reason: str

    def __bool__(self) -> bool:
        """The decision."""
        return self.promoted


def compare_on(
    old: Predicts | FilePath,
    new: Predicts | FilePath,
    frame: Any,
    metrics: Sequence[str] = METRICS,
) -> "pd.DataFrame":
    """Return the metrics of two models on the same raw rows.

    Each model encodes the rows by its own preprocessor, so ids that only the new one knows are
    unknown to the old one.

    Args:
        old: A bundle of ranking or of several tasks, or its folder.
        new: Another one, or a continued training.
        frame: Raw rows with labels that neither model was trained on, such as the next day.
        metrics: Names of metrics of predictions; see `metrics`.

    Returns:
        A row for each metric, of several tasks ``<label>/<metric>``: old, new, and gain, the
        difference new − old with the sign of an improvement; NaN where a metric has no direction,
        such as calibration, which is best at 1.

    Raises:
        KeyError: A column is missing.
        ValueError: There are no rows, they have no labels, a metric is undefined for these labels,
            or a model predicts no labels, such as one of retrieval.

    Example:
        >>> import numpy as np
        >>> from torch_rechub.data.preprocessing import Categorical, Preprocessor
        >>> rows = {"city": ["a", "b"], "click": [0, 1]}
        >>> class Constant:
        ...     preprocessor = Preprocessor([Categorical("city")], ["click"]).fit(rows)
        ...     def __init__(self, *values):
        ...         self.values = values
        ...     def predict(self, rows):
        ...         return np.array(self.values)
        >>> compare_on(Constant(0.5, 0.5), Constant(0.2, 0.8), rows, ["auc", "calibration"])
                     old  new  gain
        auc          0.5  1.0   0.5
        calibration  1.0  1.0   NaN
    """
    import pandas as pd

    models = {"old": _predicting("old", old), "new": _predicting("new", new)}
    _refuse_empty(frame)
    labels, names, weights = _labels(models["new"], frame)
    found = {}
    for name, model in models.items():
        scores = np.asarray(model.predict(frame)).reshape(len(labels), -1)
        if scores.shape != labels.shape:
            raise ValueError(
                f"the {name} model predicts {scores.shape[1]} values a row, and the rows have "
                f"{labels.shape[1]} labels: compare models of these labels"
            )
        found[name] = {
            f"{label}/{metric}" if len(names) > 1 else metric: value
            for task, label in enumerate(names)
            for metric, value in of_predictions(
                as_metrics(list(metrics)), labels[:, task], scores[:, task], weights=weights
            ).items()
        }
    table: pd.DataFrame = pd.DataFrame(found)
    signs = [{"max": 1.0, "min": -1.0}.get(direction_of(n) or "", np.nan) for n in table.index]
    table["gain"] = (table["new"] - table["old"]) * signs
    return table


def promote_if(
    comparison: "pd.DataFrame",
    metric: str = "auc",
    min_gain: float = 0.0,
    *,
    calibration: tuple[float, float] | None = None,
) -> Promotion:
    """Decide whether the new model replaces the old one.

    Args:
        comparison: The result of `compare_on`.
        metric: The metric that decides: its gain must be at least `min_gain`, and with 0, above it
            or equal.
        min_gain: The smallest gain, at least 0.
        calibration: The bounds of the new model's calibration, such as (0.9, 1.1); None means any.

    Raises:
        KeyError: The comparison has no such metric.
        ValueError: The metric has no direction, or an argument is out of range.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"old": [0.70], "new": [0.72], "gain": [0.02]}, index=["auc"])
        >>> promote_if(table, "auc", min_gain=0.05)
        Promotion(promoted=False, reason='auc 0.7 -> 0.72: a gain of 0.02 is below 0.05')
    """
    check_number("[0, inf)", min_gain=min_gain)
    _check_bounds(calibration)
    old, new, gain = _row(comparison, metric)
    if np.isnan(gain) and not np.isnan(new) and not np.isnan(old):
        raise ValueError(f"{metric!r} has no direction, so no gain: decide by another metric")
    if np.isnan(gain):
        return Promotion(False, f"{metric} is undefined on these rows")
    reason = f"{metric} {old:.4g} -> {new:.4g}: a gain of {gain:.4g}"
    if gain < min_gain:
        return Promotion(False, f"{reason} is below {min_gain:g}")
    if calibration is not None:
        low, high = calibration
        value = _row(comparison, "calibration")[1]
        if not low <= value <= high:
            return Promotion(False, f"calibration {value:.4g} is outside {low:g} to {high:g}")
    return Promotion(True, f"{reason} is at least {min_gain:g}")


def _predicting(name: str, model: Any) -> Any:
    """A model that predicts labels; the bundle of a folder.

    Raises:
        TypeError: It predicts nothing.
        ValueError: It is of another task.
    """
    if isinstance(model, str | os.PathLike):
        from .loading import load_bundle

        model = load_bundle(model)
    task = getattr(getattr(model, "parent", model), "task", None)
    if task not in (None, *_TASKS):
        raise ValueError(
            f"the {name} model is of the task {task!r}, and compare_on compares predictions of "
            f"labels, of the tasks {', '.join(_TASKS)}: compare others by metrics of the trainer, "
            "such as evaluate_retrieval or evaluate_topk"
        )
    if not hasattr(model, "predict"):
        raise TypeError(
            f"{name} must be a bundle, its folder, or a continued training, got "
            f"{type(model).__name__}"
        )
    return model


def _refuse_empty(frame: Any) -> None:
    first = next(iter(frame.values()), ()) if isinstance(frame, Mapping) else frame
    if not isinstance(first, str | os.PathLike) and hasattr(first, "__len__") and not len(first):
        raise ValueError("frame has no rows: compare_on needs rows with labels")


def _check_bounds(calibration: tuple[float, float] | None) -> None:
    if calibration is None:
        return
    if len(calibration) != 2:
        raise ValueError(f"calibration must be (lowest, highest), got {calibration}")
    low, high = calibration
    check_number("[0, inf)", lowest_calibration=low)
    if not low <= high:
        raise ValueError(
            f"calibration must be (lowest, highest), got {calibration}: give ({high}, {low})"
        )


def _row(comparison: "pd.DataFrame", metric: str) -> tuple[float, float, float]:
    if metric not in comparison.index:
        raise KeyError(f"the comparison has no {metric!r}; it has {list(comparison.index)}")
    old, new, gain = comparison.loc[metric, ["old", "new", "gain"]]
    return float(old), float(new), float(gain)


def _labels(model: Predicts, frame: Any) -> tuple[Any, list[str], Any]:
    """Labels (N, T), their names, and the weights of rows."""
    preprocessor = model.preprocessor
    encoded = None if preprocessor is None else preprocessor.transform(frame)
    if preprocessor is None or encoded is None or encoded.y is None:
        raise ValueError("the rows have no labels: compare_on needs the columns of the targets")
    names = [target.label_name for target in preprocessor.targets]
    return encoded.y.reshape(len(encoded.y), len(names)), names, encoded.weights
