"""Export methods of trainers: ONNX files and pictures of models."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..types import FilePath
from .onnx import ONNXExporter
from .onnx_file import export_module
from .picture import visualize_model

Device = str | torch.device | None


class ExportsRows:
    """Export of models whose input is a dict of tensors.

    Attributes:
        model: The model.
        device: The device it is on.
    """

    model: nn.Module
    device: torch.device

    def predictor(self, model: nn.Module) -> nn.Module:
        """The module that returns the predictions of a model: mostly the model itself.

        It is the logits, in place of their sigmoid, where numbers or orders were learned.
        """
        return model

    def export_onnx(
        self,
        output_path: FilePath,
        dummy_input: Any = None,
        batch_size: int = 2,
        seq_length: int = 10,
        opset_version: int = 14,
        dynamic_batch: bool = True,
        device: Device = None,
        verbose: bool = False,
        onnx_export_kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Export the predictions of the model to ONNX; see `ONNXExporter.export`."""
        return ONNXExporter(self.predictor(self.model), device or self.device).export(
            output_path, None, dummy_input, batch_size, seq_length, opset_version, dynamic_batch,
            verbose, onnx_export_kwargs,
        )  # fmt: skip

    def visualization(
        self,
        input_data: Any = None,
        batch_size: int = 2,
        seq_length: int = 10,
        depth: int = 3,
        show_shapes: bool = True,
        expand_nested: bool = True,
        save_path: FilePath | None = None,
        graph_name: str = "model",
        device: Device = None,
        dpi: int = 300,
        **kwargs: Any,
    ) -> Any:
        """Draw the model; see `visualize_model`. `device=None` means the trainer's device."""
        return visualize_model(
            self.model, input_data, batch_size, seq_length, depth, show_shapes, expand_nested,
            save_path, graph_name, device or self.device, dpi, **kwargs,
        )  # fmt: skip


class ExportsTowers(ExportsRows):
    """Export of a retrieval model or one of its towers."""

    def export_onnx(  # type: ignore[override]
        self,
        output_path: FilePath,
        mode: str | None = None,
        dummy_input: Any = None,
        batch_size: int = 2,
        seq_length: int = 10,
        opset_version: int = 14,
        dynamic_batch: bool = True,
        device: Device = None,
        verbose: bool = False,
        onnx_export_kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Export the model, or one tower with mode "user" or "item"; see `ONNXExporter.export`."""
        return ONNXExporter(self.model, device or self.device).export(
            output_path, mode, dummy_input, batch_size, seq_length, opset_version, dynamic_batch,
            verbose, onnx_export_kwargs,
        )  # fmt: skip


class ExportsSequences:
    """Export of models of tokens and times."""

    model: nn.Module
    device: torch.device

    def export_onnx(
        self,
        output_path: FilePath,
        batch_size: int = 2,
        seq_length: int = 50,
        vocab_size: int | None = None,
        opset_version: int = 14,
        dynamic_batch: bool = True,
        device: Device = None,
        verbose: bool = False,
        onnx_export_kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Export a model of tokens and times to ONNX; see `ONNXExporter.export`.

        Its inputs are seq_tokens and seq_time_diffs, int64, and its output is "output", the logits.
        Tokens for tracing are below `vocab_size`; None means that of the model. The file refuses
        tokens outside the vocabulary.
        """
        x = _sequences(self.model, batch_size, seq_length, vocab_size)
        n_tokens = getattr(self.model, "vocab_size", None) or cast(int, vocab_size)
        sizes = {"seq_tokens": int(n_tokens)}
        export_module(
            _Positional(self.model), x, output_path, device or self.device, opset_version,
            dynamic_batch, verbose, onnx_export_kwargs, sequences=list(x), sizes=sizes,
        )  # fmt: skip
        return True

    def visualization(
        self,
        seq_length: int = 50,
        vocab_size: int | None = None,
        batch_size: int = 2,
        depth: int = 3,
        show_shapes: bool = True,
        expand_nested: bool = True,
        save_path: FilePath | None = None,
        graph_name: str = "model",
        device: Device = None,
        dpi: int = 300,
        **kwargs: Any,
    ) -> Any:
        """Draw a model of tokens and times; see `visualize_model`."""
        x = _sequences(self.model, batch_size, seq_length, vocab_size)
        return visualize_model(
            self.model, tuple(x.values()), batch_size, seq_length, depth, show_shapes,
            expand_nested, save_path, graph_name, device or self.device, dpi, **kwargs,
        )  # fmt: skip


class ExportsCodes(ExportsRows):
    """Export of an RQ-VAE."""

    def export_onnx(  # type: ignore[override]
        self,
        output_path: FilePath,
        batch_size: int = 2,
        opset_version: int = 14,
        dynamic_batch: bool = True,
        device: Device = None,
        verbose: bool = False,
        onnx_export_kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Export an RQ-VAE to ONNX; see `ONNXExporter.export`.

        Its input is embeddings (B, in_dim); its outputs are "output", the reconstructions,
        "output_1", the quantization loss, and "output_2", the nearest codes of each level.
        """
        x = {"embeddings": torch.randn(batch_size, cast(int, self.model.in_dim))}
        export_module(
            _Positional(self.model, use_sk=False), x, output_path, device or self.device,
            opset_version, dynamic_batch, verbose, onnx_export_kwargs,
        )  # fmt: skip
        return True


class _Positional(nn.Module):
    """Wraps a model to take positional inputs, with fixed additional keyword arguments."""

    def __init__(self, model: nn.Module, **settings: Any) -> None:
        super().__init__()
        self.model, self.settings = model, settings

    def forward(self, *args: Tensor) -> Any:
        """The output of the model."""
        return self.model(*args, **self.settings)


def _sequences(
    model: nn.Module, batch_size: int, seq_length: int, vocab_size: int | None
) -> dict[str, Tensor]:
    """Tokens and times to trace a model with."""
    vocab_size = vocab_size or getattr(model, "vocab_size", None)
    if vocab_size is None:
        raise ValueError(f"{type(model).__name__} has no vocab_size: give it as an argument")
    shape = (batch_size, min(seq_length, getattr(model, "max_seq_len", seq_length)))
    tokens = torch.randint(1, int(vocab_size), shape)
    return {"seq_tokens": tokens, "seq_time_diffs": torch.randint(0, 86_400, shape)}
