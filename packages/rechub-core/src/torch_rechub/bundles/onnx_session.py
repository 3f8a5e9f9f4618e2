"""The ONNX files of a bundle, run by ONNX Runtime."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .._extras import require
from .document import BundleDocument
from .errors import BundleError
from .folder import file_digest

_OUTSIDE = re.compile(r"ids_of_(.+)_outside_0_to_(\d+)")
_NOT_WHOLE = re.compile(r"ids_of_(.+)_not_whole")


class OnnxModel:
    """A model in an ONNX file, called as its torch module is.

    Args:
        folder: The folder of the bundle.
        document: The document of the bundle, which has the checksum of the file.
        name: The file: ``model.onnx``, or ``user.onnx`` or ``item.onnx`` of one tower.

    Raises:
        BundleError: The bundle has no such file, or it was replaced since the bundle was loaded.
        ImportError: onnxruntime is missing (extra ``onnx``).
    """

    def __init__(self, folder: Path, document: BundleDocument, name: str = "model.onnx") -> None:
        runtime = require("onnxruntime", 'engine="onnx"', "onnx")
        if name not in document.files:
            raise BundleError(f"{folder} has no {name}: save it anew, by save(..., onnx=True)")
        file = folder / name
        if not file.is_file() or file_digest(file) != document.files[name]["sha256"]:
            raise BundleError(f"{file} was replaced since the bundle was loaded: load it anew")
        options = runtime.SessionOptions()
        options.log_severity_level = 4  # ids that are refused are raised, and not also logged
        providers = ["CPUExecutionProvider"]
        self._session = runtime.InferenceSession(str(file), options, providers=providers)
        self.inputs: dict[str, str] = {i.name: i.type for i in self._session.get_inputs()}

    def __call__(self, x: Mapping[str, Tensor], output: str = "output") -> Tensor:
        """Return an output, by default the first.

        Args:
            x: The inputs by name; additional ones are ignored.
            output: The name of the output.

        Raises:
            IndexError: An id is outside its vocabulary.
            KeyError: An input is missing.
            ValueError: An id is no whole number.
        """
        given = {name: _typed(x[name], kind).numpy() for name, kind in self.inputs.items()}
        try:
            return torch.from_numpy(self._session.run([output], given)[0])
        except Exception as error:
            if (of_ids := _of_ids(str(error))) is None:
                raise
            raise of_ids from error


def _of_ids(message: str) -> Exception | None:
    """The error of torch for ids that the graph refuses; None of other messages."""
    if found := _OUTSIDE.search(message):
        return IndexError(f"feature {found[1]!r} has an id outside its vocabulary, 0 to {found[2]}")
    if found := _NOT_WHOLE.search(message):
        return ValueError(f"feature {found[1]!r} has a value that is no whole number, or NaN")
    return None


def _typed(column: Tensor, kind: str) -> Tensor:
    """A column in the type of an input, if both are whole numbers or both are not."""
    column = column.cpu()
    if kind == "tensor(int64)":
        return column if column.is_floating_point() else column.long()
    return column.to(torch.float64 if kind == "tensor(double)" else torch.float32)
