"""Every model with each of its files: what is exported, and the reason where something is not.

A row is made of the tables of tests/core/models, so that a new model joins by its row there.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from core.models import matching_table, test_every_generative_model, test_every_ranking_model
from core.models.multi_task import test_contract


class File(NamedTuple):
    """One file of a model.

    Attributes:
        make: Makes the model.
        inputs: Columns of a number of rows and, of sequences, of a length.
        mode: The tower; None is the whole model.
        lengths: Lengths of sequences to try.
    """

    make: Callable[[], Any]
    inputs: Callable[[int, int], dict[str, Any]]
    mode: str | None = None
    lengths: tuple[int, ...] = (6, 3)


NOT_EXPORTED = {
    "YoutubeSBC": "its scores compare each row with others of the batch",
    "TIGERModel": "it recommends by a beam search",
}
# of variants of one model, those whose graph has other operators
VARIANTS = ("EDCN, attention", "FinalMLP, no context", "MaskNet, parallel", "PNN, both")


def _ranking():
    for name, make in test_every_ranking_model.MODELS.items():
        if "," not in name or name in VARIANTS:
            yield name, File(make, test_every_ranking_model.inputs)


def _matching():
    for name, row in matching_table.MODELS.items():
        inputs = matching_table.inputs
        if name not in NOT_EXPORTED:
            yield name, File(row.trained or row.make, inputs)
        if row.towers:
            for mode in ("user", "item"):
                yield f"{name}, {mode}", File(row.make, inputs, mode)


def _multi_task():
    for name, make in test_contract.MODELS.items():
        yield name, File(lambda make=make: make(2), lambda n, _: test_contract.inputs(n))


FILES = {**dict(_ranking()), **dict(_matching()), **dict(_multi_task())}
GENERATIVE = {name: row.make for name, row in test_every_generative_model.TABLE.items()}
