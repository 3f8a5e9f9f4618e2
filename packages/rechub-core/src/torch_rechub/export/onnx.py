"""Models as ONNX files."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .._extras import require
from .._paths import local_path
from ..basic.features import SequenceFeature
from ..basic.layers.precision import for_device, is_double
from ..types import FilePath
from .inputs import as_columns, columns_of, generate_dummy_input_dict, generate_dynamic_axes

log = logging.getLogger("torch_rechub")

LOWEST_OPSET = 18  # what torch's exporter writes
_ONE_FILE = 2**30  # bytes of weights; a file of protobuf ends at 2 GiB


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
        """What the model returns.

        Raises:
            ValueError: There are more or fewer tensors than names.
        """
        if len(args) != len(self.input_names):
            raise ValueError(
                f"{_name(self)} takes {len(self.input_names)} inputs, in this order: "
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
            onnx_export_kwargs: Further arguments of `torch.onnx.export`.

        Returns:
            True.

        Raises:
            ImportError: onnx or onnxscript is missing.
            ValueError: What the model reads is unknown, or `dummy_input` does not fit.
            RuntimeError: The model cannot be exported.
        """
        columns = columns_of(self.model, mode)
        if dummy_input is None:
            dummy_input = generate_dummy_input_dict(list(columns.values()), batch_size, seq_length)
        x = as_columns(dummy_input, list(columns))
        sequences = [n for n, feature in columns.items() if isinstance(feature, SequenceFeature)]
        wrapper = ONNXWrapper(self.model, list(x), mode)
        try:
            export_module(
                wrapper, x, output_path, self.device, opset_version, dynamic_batch, verbose,
                onnx_export_kwargs, sequences=sequences,
            )  # fmt: skip
        finally:
            wrapper.restore_mode()
        return True

    def get_input_info(self, mode: str | None = None) -> dict[str, Any]:
        """What the file would read: mode, input_names, and inputs: name, type and sizes of each."""
        columns = columns_of(self.model, mode)
        sizes = ("embed_dim", "vocab_size", "pooling")
        inputs = [
            {"name": name, "type": type(feature).__name__}
            | {size: getattr(feature, size) for size in sizes if hasattr(feature, size)}
            for name, feature in columns.items()
        ]
        return {"mode": mode, "inputs": inputs, "input_names": list(columns)}


def export_module(
    module: nn.Module,
    x: Mapping[str, Tensor],
    output_path: FilePath,
    device: str | torch.device,
    opset_version: int = 14,
    dynamic_batch: bool = True,
    verbose: bool = False,
    onnx_export_kwargs: Mapping[str, Any] | None = None,
    *,
    sequences: Sequence[str] = (),
) -> None:
    """Write a module that takes the tensors of x, in their order, as an ONNX file.

    Raises:
        ImportError: onnx or onnxscript is missing.
        RuntimeError: It cannot be exported, or not with a free number of rows.
    """
    for library in ("onnxscript", "onnx"):
        onnx = require(library, "export to ONNX", "onnx")
    output_path = local_path("output_path", output_path)
    output_path.parent.mkdir(parents=True, exist_ok=True)
    with _at_rest(module, device), torch.no_grad():
        inputs = tuple(for_device(value, is_double(module)).to(device) for value in x.values())
        found = module(*inputs)  # says what is wrong, and fills what layers keep
        outputs = [found] if isinstance(found, Tensor) else list(found)
        names = ["output", *(f"output_{i}" for i in range(1, len(outputs)))]
        axes = generate_dynamic_axes(list(x), [n for n, o in zip(names, outputs) if o.dim()])
        for name in sequences:
            axes[name][1] = f"{name}_seq_length"
        weights = sum(p.numel() * p.element_size() for p in module.parameters())
        settings = {
            "opset_version": max(opset_version, LOWEST_OPSET),
            "dynamic_shapes": {"args": tuple(axes[n] for n in x)} if dynamic_batch else None,
            "external_data": weights > _ONE_FILE,
            "verbose": verbose,
            "dynamo": True,
            **(onnx_export_kwargs or {}),
        }
        try:
            torch.onnx.export(
                module,
                inputs,
                str(output_path),
                input_names=list(x),
                output_names=names,
                **settings,
            )
        except Exception as error:
            raise RuntimeError(f"{_name(module)} cannot be exported to ONNX: {error}") from error
    if dynamic_batch:
        _check_rows_are_free(onnx, module, output_path)


@contextmanager
def _at_rest(module: nn.Module, device: str | torch.device) -> Iterator[None]:
    """The module in evaluation mode on a device; afterwards as it was."""
    training = {m: m.training for m in module.modules()}
    home = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.eval().to(device)
    try:
        yield
    finally:
        module.to(home)
        for part, was in training.items():
            part.training = was


def _check_rows_are_free(onnx: Any, module: nn.Module, path: FilePath) -> None:
    graph = onnx.load(str(path), load_external_data=False).graph
    fixed = [i.name for i in graph.input if not i.type.tensor_type.shape.dim[0].dim_param]
    if fixed:
        raise RuntimeError(
            f"the rows of {', '.join(fixed)} became fixed in the export of {_name(module)}: pass "
            "dynamic_batch=False, and the number of rows to serve as batch_size"
        )


def _name(module: nn.Module) -> str:
    return type(getattr(module, "model", module)).__name__
