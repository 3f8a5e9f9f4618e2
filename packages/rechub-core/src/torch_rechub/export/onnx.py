"""Models as ONNX files."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..basic.features import SequenceFeature
from ..types import FilePath
from .inputs import columns_of, inputs_to_trace, vocabulary_sizes
from .onnx_file import export_module


class ONNXWrapper(nn.Module):
    """A model of a dict of tensors, taking the tensors one after the other.

    Args:
        model: Takes a dict.
        input_names: The names of the tensors.
        mode: What the model's `mode` is set to until `restore_mode`; None leaves it.
    """

    def __init__(self, model: nn.Module, input_names: Sequence[str], mode: str | None = None):
        super().__init__()
        self.model, self.input_names = model, list(input_names)
        self._original_mode = getattr(model, "mode", None)
        if mode is not None:
            model.mode = mode  # type: ignore[assignment]

    def forward(self, *args: Tensor) -> Any:
        """The output of the model.

        Raises:
            ValueError: There are more or fewer tensors than names.
        """
        if len(args) != len(self.input_names):
            raise ValueError(
                f"{type(self.model).__name__} takes {len(self.input_names)} inputs, in this order: "
                f"{', '.join(self.input_names)}; got {len(args)}"
            )
        return self.model(dict(zip(self.input_names, args)))

    def restore_mode(self) -> None:
        """Set the model's `mode` to what it was."""
        if hasattr(self.model, "mode"):
            self.model.mode = self._original_mode  # type: ignore[assignment]


class ONNXExporter:
    """Writes a model that is built of features as an ONNX file.

    Args:
        model: Maps a dict of tensors to one or several.
        device: Where it is traced; afterwards it is where it was.

    Example:
        >>> import tempfile
        >>> from torch_rechub.basic.features import SparseFeature
        >>> from torch_rechub.models.ranking import DeepFM
        >>> fields = [SparseFeature("user", 10, embed_dim=4), SparseFeature("item", 7, embed_dim=4)]
        >>> exporter = ONNXExporter(DeepFM(fields, fields, {"dims": [8]}))
        >>> exporter.get_input_info()["input_names"]
        ['user', 'item']
        >>> exporter.export(tempfile.mkdtemp() + "/deepfm.onnx")
        True
    """

    def __init__(self, model: nn.Module, device: str | torch.device = "cpu") -> None:
        self.model, self.device = model, device

    def export(
        self,
        output_path: FilePath,
        mode: str | None = None,
        dummy_input: Any = None,
        batch_size: int = 2,
        seq_length: int = 10,
        opset_version: int = 14,
        dynamic_batch: bool = True,
        verbose: bool = False,
        onnx_export_kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Write the file; its inputs are named as the columns, its output is "output".

        A file with an id outside its vocabulary among its inputs is an error of the runtime, as it
        is one of torch, whose node is named after the column: ``ids_of_user_outside_0_to_8``.

        Args:
            output_path: The file; its folder is made.
            mode: "user" or "item": one tower; None the whole model.
            dummy_input: Inputs to trace with: a dict, or tensors in the order of `get_input_info`;
                None makes random ones.
            batch_size: Their rows.
            seq_length: Their length of sequences; free in the file, unless the model fixes it.
            opset_version: At least this one; torch writes 18 or later.
            dynamic_batch: Whether the number of rows, and lengths of sequences, are free.
            verbose: Whether torch says what it does.
            onnx_export_kwargs: Additional arguments of `torch.onnx.export`.

        Returns:
            True.

        Raises:
            ImportError: onnx or onnxscript is missing.
            ValueError: What the model reads is unknown, or `dummy_input` does not fit.
            RuntimeError: The model cannot be exported.
        """
        if mode is None and (reason := getattr(self.model, "why_no_onnx", None)):
            raise RuntimeError(f"{type(self.model).__name__} cannot be exported to ONNX: {reason}")
        x, columns = inputs_to_trace(self.model, mode, dummy_input, batch_size, seq_length)
        sequences = [n for n, feature in columns.items() if isinstance(feature, SequenceFeature)]
        wrapper = ONNXWrapper(self.model, list(x), mode)
        try:
            export_module(
                wrapper, x, output_path, self.device, opset_version, dynamic_batch, verbose,
                onnx_export_kwargs, sequences=sequences, sizes=vocabulary_sizes(self.model),
            )  # fmt: skip
        finally:
            wrapper.restore_mode()
        return True

    def get_input_info(self, mode: str | None = None) -> dict[str, Any]:
        """The inputs of the file: mode, input_names, and inputs: name, type and sizes of each."""
        columns = columns_of(self.model, mode)
        sizes = ("embed_dim", "vocab_size", "pooling")
        inputs = [
            {"name": name, "type": type(feature).__name__}
            | {size: getattr(feature, size) for size in sizes if hasattr(feature, size)}
            for name, feature in columns.items()
        ]
        return {"mode": mode, "inputs": inputs, "input_names": list(columns)}
