"""Recorded runs of all trackers: reading, listing and comparing.

The files of a logger are read as `Run`: those of `JSONLLogger` by this package, those of other
trackers by their packages. Importing this imports neither torch nor an SDK. The command ``rechub``
provides the same in a terminal.

Example:
    >>> import tempfile
    >>> from torch_rechub.basic.tracking import JSONLLogger
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for seed, auc in enumerate([0.70, 0.74]):
    ...         with JSONLLogger(config={"lr": 0.1, "seed": seed}, dir=folder) as logger:
    ...             logger.log_metrics({"val/auc": auc}, step=0)
    ...     best = compare(folder, metric="val/auc").rows[0]
    >>> best.n, best.seeds, round(best.best.mean, 3), round(best.best.sd, 3)
    (2, (0, 1), 0.72, 0.028)
"""

from .comparing import compare
from .comparison import Comparison, Row, Statistic
from .details import Details, details
from .difference import Difference, difference
from .plotting import plot
from .readers import RunReader, available_readers
from .reading import Runs, read_runs
from .record import Run
from .significance import significance
from .tested import Significance, Tested

__all__ = [
    "Comparison",
    "Details",
    "Difference",
    "Row",
    "Run",
    "RunReader",
    "Runs",
    "Significance",
    "Statistic",
    "Tested",
    "available_readers",
    "compare",
    "details",
    "difference",
    "plot",
    "read_runs",
    "significance",
]
