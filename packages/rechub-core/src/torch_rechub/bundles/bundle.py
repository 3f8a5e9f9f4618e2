"""`Bundle`: a loaded model with everything that raw rows need."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from .._bounds import check_whole
from .._errors import UnknownChoiceError
from ..data.as_loader import as_loader, is_table
from ..data.loader import rows_at_once
from .description import described
from .document import BundleDocument
from .onnx_session import OnnxModel

if TYPE_CHECKING:
    from ..data.preprocessing import Preprocessor, RowEncoder

Array = npt.NDArray[Any]
P = TypeVar("P", bound="Part")

FEW_ROWS = 1000
"""Up to so many dicts are encoded by `RowEncoder`."""


class Part(Protocol):
    """An additional part of a bundle, such as the items of a retrieval model.

    A bundle class lists the parts that it reads in `Bundle.part_types`; the trainer's hook
    `bundle_parts` makes them.
    """

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the files below `folder`, in a folder of plain files; return JSON-like settings."""
        ...

    @classmethod
    def read(cls: type[P], folder: Path, settings: Mapping[str, Any]) -> P:
        """Read the part from the folder of the bundle, and its settings.

        Raises:
            BundleError: A file or a setting is not as written.
        """
        ...


class Bundle:
    """A trained model loaded from a folder, in evaluation mode; made by `load_bundle`.

    Attributes:
        path: The folder.
        document: The content of ``bundle.json``.
        model: The model.
        preprocessor: Encodes raw rows; None where rows are the inputs of the model.
        parts: The additional parts by name.
        part_types: Their classes, only those of `optional_parts` may be missing.
        device: The device of the model.
    """

    part_types: ClassVar[Mapping[str, type[Any]]] = {}
    optional_parts: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        path: Path,
        document: BundleDocument,
        model: nn.Module,
        preprocessor: "Preprocessor | None",
        parts: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        self.path, self.document = path, document
        self.device, self.model = device, model.to(device).eval()
        self.preprocessor, self.parts = preprocessor, dict(parts)
        self._sessions: dict[str, OnnxModel] = {}

    def __repr__(self) -> str:
        model, by = type(self.model).__name__, self.document.versions.get("rechub-core")
        metrics = "".join(f", {name} {value:.4g}" for name, value in self.metrics.items())
        return f"{type(self).__name__}({model}, {self.task}{metrics}; rechub-core {by})"

    def describe(self) -> str:
        """Return a text of some lines: the model, inputs, metrics, data, run and versions."""
        return described(type(self).__name__, self.document, self.model, self.preprocessor)

    @property
    def task(self) -> str:
        """The task, such as "ranking"."""
        return self.document.task

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of training by recorded name, such as ``val/auc``."""
        return self.document.metrics

    def inputs(self, rows: Any) -> Mapping[str, Array]:
        """Return the inputs of the model for raw rows; columns of labels and weights are not read.

        Args:
            rows: A dict of columns, a table, a list of dicts, or one dict of single values; without
                a preprocessor, arrays of the inputs themselves.

        Raises:
            KeyError: A column is missing.
            ValueError: A cell does not fit its column.
        """
        if isinstance(rows, Mapping) and rows and not any(map(_is_column, rows.values())):
            rows = [rows]
        if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
            if self.preprocessor is not None and len(rows) <= FEW_ROWS:
                return self._row_encoder.encode(rows)
            rows = _columns_of(rows)
        if self.preprocessor is not None:
            return self._columns.transform(rows)
        if not is_table(rows):
            raise TypeError(
                f"rows must be a dict of columns, a table or a list of dicts, got {type(rows)}"
            )
        return {str(name): np.asarray(rows[name]) for name in rows}

    def onnx_model(self, engine: str, file: str = "model.onnx") -> OnnxModel | None:
        """Return the ONNX file that computes in place of the model; None for torch.

        Args:
            engine: "torch" or "onnx".
            file: The name of the file in the bundle.

        Raises:
            UnknownChoiceError: The engine is unknown.
            BundleError: The bundle has no such file.
        """
        if engine == "torch":
            return None
        if engine != "onnx":
            raise UnknownChoiceError(f"unknown engine {engine!r}; give 'torch' or 'onnx'")
        if file not in self._sessions:
            self._sessions[file] = OnnxModel(self.path, self.document, file)
        return self._sessions[file]

    @cached_property
    def _columns(self) -> "Preprocessor":
        """The preprocessor without labels and weights: a log may have some, and of any form."""
        assert self.preprocessor is not None
        names = [column.input_name for column in self.preprocessor.columns]
        return self.preprocessor.select(*names)

    @cached_property
    def _row_encoder(self) -> "RowEncoder":
        """The encoder of few rows, whose dicts of vocabularies are made on first use."""
        from ..data.preprocessing import RowEncoder

        assert self.preprocessor is not None
        return RowEncoder(self.preprocessor)

    def copy_files(self, folder: Path) -> None:
        """Copy the ONNX files and the state of the optimizer to another folder."""
        for name in self.document.files:
            if ".onnx" in name or name == "optimizer.safetensors":
                shutil.copyfile(self.path / name, folder / name)

    def batches(
        self, inputs: Mapping[str, Array], batch_size: int | None
    ) -> Iterator[dict[str, Tensor]]:
        """Iterate over batches of inputs on the device of the model; None is as trainers do."""
        check_whole(1, batch_size=batch_size)
        loader: Any = as_loader(dict(inputs), batch_size or 1)
        if batch_size is None:
            loader = loader.with_batch_size(rows_at_once(loader.width))
        for batch in loader:
            yield {name: values.to(self.device) for name, values in batch.items()}

    def infer(
        self,
        call: Callable[[dict[str, Tensor]], Tensor],
        inputs: Mapping[str, Array],
        batch_size: int | None,
    ) -> Tensor:
        """Return the concatenated results of `call` for batches of inputs, on the CPU."""
        with torch.inference_mode():
            found = [call(batch).cpu() for batch in self.batches(inputs, batch_size)]
        return torch.cat(found) if found else torch.empty(0)


def _columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Convert a list of dicts to a dict of columns."""
    names = {name: None for row in rows for name in row}
    for i, row in enumerate(rows):
        if missing := [name for name in names if name not in row]:
            raise KeyError(f"row {i} has no {missing[0]!r}; give None where a value is missing")
    return {name: [row[name] for row in rows] for name in names}


def _is_column(value: Any) -> bool:
    """Whether a value is a column, and no single cell."""
    return not isinstance(value, str | bytes | Mapping) and hasattr(value, "__len__")
