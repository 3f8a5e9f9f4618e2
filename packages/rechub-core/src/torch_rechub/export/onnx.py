"""Export of models to ONNX."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..basic.features import SequenceFeature
from ..types import FilePath
from .inputs import columns_of, inputs_to_trace, vocabulary_sizes
from .onnx_file import export_module


class ONNXWrapper(nn.Module):
    """Wraps a model of a dict of tensors to take positional tensors.

    Args:
        model: A module that takes a dict.
        input_names: The names of the tensors, in order.
        mode: The value for the model's `mode` until `restore_mode`; None does not change it.
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
            ValueError: The numbers of tensors and names differ.
        """
        if len(args) != len(self.input_names):
            raise ValueError(
                f"{type(self.model).__name__} takes {len(self.input_names)} inputs, in this order: "
                f"{', '.join(self.input_names)}; got {len(args)}"
            )
        return self.model(dict(zip(self.input_names, args)))

    def restore_mode(self) -> None:
        """Restore the previous `mode` of the model."""
        if hasattr(self.model, "mode"):
            self.model.mode = self._original_mode  # type: ignore[assignment]


class ONNXExporter:
    """Exports a model that is built of features to ONNX.

    Args:
        model: A module from a dict of tensors to one or several tensors.
        device: The device for tracing; afterwards the model is moved back.

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
        """Write the file; inputs are named after the columns, the output is "output".

        Ids outside their vocabulary are an error of the runtime, as in torch; the failing node is
        named after the column: ``ids_of_user_outside_0_to_8``.

        Args:
            output_path: The file; its folder is created.
            mode: "user" or "item" for one tower; None for the whole model.
            dummy_input: Inputs to trace with: a dict, or tensors in the order of `get_input_info`;
                None generates random ones.
            batch_size: Number of rows of random inputs.
            seq_length: Sequence length of random inputs; dynamic in the file, unless the model
                fixes it.
            opset_version: Lowest opset; torch writes 18 or later.
            dynamic_batch: Whether the batch size and sequence lengths are dynamic.
            verbose: Whether torch prints its progress.
            onnx_export_kwargs: Additional arguments of `torch.onnx.export`.

        Returns:
            True.

        Raises:
            ImportError: onnx or onnxscript is missing.
            ValueError: The inputs of the model are unknown, `dummy_input` does not match them, or
                its type rounds ids.
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
        """The inputs of the file: mode, input_names, and the name, type and sizes of each input."""
        columns = columns_of(self.model, mode)
        sizes = ("embed_dim", "vocab_size", "pooling")
        inputs = [
            {"name": name, "type": type(feature).__name__}
            | {size: getattr(feature, size) for size in sizes if hasattr(feature, size)}
            for name, feature in columns.items()
        ]
        return {"mode": mode, "inputs": inputs, "input_names": list(columns)}
