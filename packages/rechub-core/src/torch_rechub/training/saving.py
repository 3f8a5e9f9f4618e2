"""`save` of trainers: the trained model as a bundle."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from ..basic.tracking.plain import plain_hyperparams
from ..distributed import process_rank
from ..losses.regression import PoissonLoss
from ..models.arguments import unwrapped
from ..models.links import Linked, TaskLink
from ..types import FilePath

if TYPE_CHECKING:
    from ..bundles.bundle import Part
    from ..data.preprocessing import Preprocessor


class _Tasks(Protocol):
    """The part of the tasks of a trainer that a bundle needs."""

    types: Sequence[str]
    n: int
    predictions_of: nn.Module


class SavesBundles:
    """The method `save` of trainers, and the hooks that a task overrides.

    Attributes:
        bundle_task: The task of the bundle; None cannot be saved.
        model: The model.
        history: One dict per epoch.
        test_metrics: The metrics of the test data.
        monitor: The monitored metric.
        optimizer: The optimizer of the model.
    """

    bundle_task: str | None = None
    model: nn.Module
    optimizer: torch.optim.Optimizer
    history: list[dict[str, float]]
    test_metrics: dict[str, float]

    def save(
        self,
        folder: FilePath,
        *,
        preprocessor: "Preprocessor | None" = None,
        onnx: bool = False,
        optimizer: bool = False,
        arguments: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Path:
        """Save the model as a bundle for `load_bundle`, whole or not at all.

        After `fit` the weights are those of the best epoch. Of several processes, the first writes.

        Args:
            folder: The folder; an earlier bundle in it is replaced.
            preprocessor: The fitted preprocessor of the raw rows; without it, the rows of the
                bundle are the inputs of the model.
            onnx: Whether the bundle has ONNX files as well.
            optimizer: Whether the bundle has the state of the optimizer at the end of training, for
                `continue_from(..., optimizer=True)`.
            arguments: Arguments of the model's constructor by name, for the bundle only, in place
                of values that have no form in a file, such as a lambda.
            **options: Those of the task; see its `bundle_parts`.

        Raises:
            BundleError: The model cannot be rebuilt from its arguments, or its weights hold NaN.
            FileExistsError: The folder holds other files.
            ImportError: safetensors is missing (extra ``bundle``), or onnx (extra ``onnx``).
            OSError: Writing failed, as on a full disk; an earlier bundle is unchanged.
            TypeError: An option is unknown, or one that the task needs is missing.
        """
        # imported here, because training needs no bundles
        from ..bundles.errors import BundleError
        from ..bundles.saving import write_bundle

        if self.bundle_task is None:
            raise BundleError(f"{type(self).__name__} cannot save bundles")
        self._check_options(options)
        if process_rank() > 0:  # as with checkpoints, one process writes
            return Path(folder)
        outputs = self.bundle_outputs(preprocessor)
        state, writers = self._optimizer_state() if optimizer else ({}, [])
        return write_bundle(
            folder,
            task=self.bundle_task,
            model=unwrapped(self.model),
            outputs=outputs,
            preprocessor=preprocessor,
            parts=self.bundle_parts(preprocessor, **options),
            others={
                "metrics": self._best_metrics(),
                "trainer": self._recorded() | state,
                "run": self.bundle_run(),
            },
            write_more=partial(_write_all, [*writers, *([self.write_onnx] if onnx else [])]),
            arguments=arguments,
        )

    def _optimizer_state(self) -> tuple[dict[str, Any], list[Callable[[Path], object]]]:
        """The entry of the document, and the writer of the moments."""
        from ..bundles.optimizer_state import ENTRY, FILE, described
        from ..bundles.weights import write_tensors

        settings, tensors = described(unwrapped(self.model), self.optimizer)
        return {ENTRY: settings}, [lambda folder: write_tensors(folder / FILE, tensors)]

    def bundle_outputs(self, preprocessor: "Preprocessor | None") -> dict[str, Any]:
        """Return how predictions are made of the model's output, as JSON-like data."""
        return {}

    def bundle_parts(self, preprocessor: "Preprocessor | None") -> "dict[str, Part]":
        """Return the additional parts of the bundle by name; arguments are options of `save`."""
        return {}

    def _check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse options of `save` that `bundle_parts` does not take."""
        taken = list(inspect.signature(self.bundle_parts).parameters.values())[1:]
        if any(p.kind is p.VAR_KEYWORD for p in taken):
            return
        known = ["preprocessor", "onnx", "optimizer", "arguments", *(p.name for p in taken)]
        who = f"save of {type(self).__name__}"
        if unknown := [name for name in options if name not in known]:
            raise TypeError(f"{who} has no option {unknown[0]!r}: its options are {known}")
        needed = [p.name for p in taken if p.default is p.empty]
        if missing := [name for name in needed if name not in options]:
            raise TypeError(f"{who} needs {missing[0]}=: its options are {known}")

    def bundle_run(self) -> dict[str, Any]:
        """Return the identity of the training run, as JSON-like data."""
        return {}

    def write_onnx(self, folder: Path) -> None:
        """Write the ONNX files of the bundle.

        Raises:
            RuntimeError: The model cannot be exported.
        """
        export = getattr(self, "export_onnx", None)
        if export is None:
            name, why = type(self.model).__name__, getattr(self.model, "why_no_onnx", "it has none")
            raise RuntimeError(f"{name} cannot be exported to ONNX: {why}")
        export(folder / "model.onnx")

    def _best_metrics(self) -> dict[str, float]:
        """The finite metrics of the best epoch, and of the test data."""
        rows = self.history or [{}]
        monitor, sign = self.monitor, 1 if self.direction() == "max" else -1  # type: ignore[attr-defined]
        best = max(rows, key=lambda row: _rank(row.get(monitor), sign))
        best = best if monitor in best else rows[-1]
        found = {k: v for k, v in {**best, **self.test_metrics}.items() if "/" in k}
        return {name: float(value) for name, value in found.items() if math.isfinite(value)}

    def _recorded(self) -> dict[str, Any]:
        """The hyper-parameters, as trackers record them."""
        return plain_hyperparams(self.hyperparams())  # type: ignore[attr-defined]


class SavesRows(SavesBundles):
    """Bundles of models of rows."""

    bundle_task = "ranking"

    def predictor(self, model: nn.Module) -> nn.Module:
        """The module that returns the predictions of a model."""
        raise NotImplementedError

    def bundle_outputs(self, preprocessor: "Preprocessor | None") -> dict[str, Any]:
        """The name of the target, and of the link from logits to predictions."""
        _refuse_other_columns(self.model, preprocessor)
        return {"targets": _names_of(preprocessor, 1), **_links_of(self.predictor(self.model))}


class SavesTasks(SavesRows):
    """Bundles of multi-task models."""

    bundle_task = "multi_task"

    def bundle_outputs(self, preprocessor: "Preprocessor | None") -> dict[str, Any]:
        """The names and types of the targets, and the link of each."""
        _refuse_other_columns(self.model, preprocessor)
        tasks: _Tasks = self.tasks  # type: ignore[attr-defined]
        link = tasks.predictions_of
        links = link.links if isinstance(link, TaskLink) else [None] * tasks.n
        names = _names_of(preprocessor, tasks.n) or [f"task_{i}" for i in range(tasks.n)]
        types = {"task_types": list(tasks.types), "links": list(map(_link_name, links))}
        return {"targets": names, **types}


def _write_all(writers: Sequence[Callable[[Path], object]], folder: Path) -> None:
    for write in writers:
        write(folder)


def _refuse_other_columns(model: nn.Module, preprocessor: "Preprocessor | None") -> None:
    from ..bundles.rows import refuse_other_columns

    refuse_other_columns(unwrapped(model), preprocessor)


def _names_of(preprocessor: "Preprocessor | None", n: int) -> list[str]:
    """The names of the targets, which must be as many as the predictions of the model.

    Raises:
        BundleError: They are more, or fewer but not none.
    """
    from ..bundles.errors import BundleError

    names = [] if preprocessor is None else [t.label_name for t in preprocessor.targets]
    if names and len(names) != n:
        raise BundleError(
            f"the preprocessor has {len(names)} targets ({', '.join(names)}), but the model "
            f"predicts {n}: save it with preprocessor.select(...) of the inputs, without targets"
        )
    return names


def _links_of(predictor: nn.Module) -> dict[str, Any]:
    if not isinstance(predictor, Linked):
        return {"link": None}
    return {"link": "logits" if predictor.link is None else _link_name(predictor.link)}


def _link_name(link: Any) -> str | None:
    """The name of a link; see `torch_rechub.bundles.rows.LINKS`."""
    from ..bundles.errors import BundleError

    if link is None:
        return None
    if isinstance(link, nn.Softmax):
        return "softmax"
    if link is torch.exp or getattr(link, "__func__", None) is PoissonLoss.from_logits:
        return "exp"
    if isinstance(link, TaskLink):
        return None
    raise BundleError(
        f"the loss makes predictions of logits by {link!r}, which a bundle cannot name: train with "
        "a loss of torch_rechub, or let the model return the predictions"
    )


def _rank(value: float | None, sign: int) -> float:
    return -math.inf if value is None or math.isnan(value) else sign * value
