"""Writing torch modules as ONNX files."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from .._extras import require
from .._files import naming
from .._paths import local_path
from ..basic.layers.precision import for_device, is_double
from ..types import FilePath
from .bounds import refuse_ids
from .graph_forms import Translations, graph_forms
from .inputs import generate_dynamic_axes

LOWEST_OPSET = 18  # the lowest opset of torch's exporter
_ONE_FILE = 2**30  # bytes of weights; a protobuf file is limited to 2 GiB


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
    sizes: Mapping[str, int] | None = None,
) -> None:
    """Write a module that takes the tensors of x, in order, as an ONNX file.

    The file is written atomically.

    Args:
        module: A module from these tensors to one or several tensors.
        x: Inputs to trace it with, by name.
        output_path: The file; its folder is created.
        device: The device for tracing; afterwards the module is moved back.
        opset_version: Lowest opset; torch writes 18 or later.
        dynamic_batch: Whether the batch size and sequence lengths are dynamic.
        verbose: Whether torch prints its progress.
        onnx_export_kwargs: Additional arguments of `torch.onnx.export`.
        sequences: The inputs that are sequences.
        sizes: Vocabulary sizes of the inputs that are ids; the graph refuses ids out of range.

    Raises:
        ImportError: onnx or onnxscript is missing.
        RuntimeError: The module cannot be exported, or not with a dynamic batch size.
        OSError: The file cannot be written, as on a full disk; the error names it.
    """
    for library in ("onnxscript", "onnx"):
        onnx = require(library, "export to ONNX", "onnx")
    target = local_path("output_path", output_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with naming(target), TemporaryDirectory(dir=target.parent, prefix=".onnx-") as folder:
        made = Path(folder, target.name)
        with _at_rest(module, device), torch.no_grad():
            inputs = {
                name: for_device(value, is_double(module)).to(device) for name, value in x.items()
            }
            # fails with a clear error if inputs do not match, and fills the caches of layers
            found = module(*inputs.values())
            outputs = [found] if isinstance(found, Tensor) else list(found)
            names = ["output", *(f"output_{i}" for i in range(1, len(outputs)))]
            axes = generate_dynamic_axes(list(x), [n for n, o in zip(names, outputs) if o.dim()])
            for name in sequences:
                axes[name][1] = f"{name}_seq_length"
            settings = {
                "opset_version": max(opset_version, LOWEST_OPSET),
                "dynamic_shapes": {"args": tuple(axes[n] for n in x)} if dynamic_batch else None,
                "external_data": _bytes(module) > _ONE_FILE,
                "verbose": verbose,
                "dynamo": True,
                **(onnx_export_kwargs or {}),
            }
            _write(module, inputs, names, made, settings)
        model = onnx.load(str(made), load_external_data=False)
        if dynamic_batch:
            _check_rows_are_free(model.graph, module)
        refuse_ids(onnx, model.graph, sizes or {})
        onnx.save(model, str(made))
        for file in Path(folder).iterdir():
            file.replace(target.parent / file.name)


def _write(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    path: Path,
    settings: dict[str, Any],
) -> None:
    """Export a module to a file by torch."""
    quiet: AbstractContextManager[None] = nullcontext() if settings["verbose"] else _quiet()
    forms: AbstractContextManager[Translations] = (
        graph_forms(module) if settings["dynamo"] else nullcontext({})
    )
    try:
        with forms as translations, quiet:
            if translations:
                given = settings.pop("custom_translation_table", None) or {}
                settings["custom_translation_table"] = {**translations, **given}
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                str(path),
                input_names=list(inputs),
                output_names=list(outputs),
                **settings,
            )
    except OSError:
        raise
    except Exception as error:
        raise RuntimeError(f"{_name(module)} cannot be exported to ONNX: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence messages of torch's exporter that a user cannot act on."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


@contextmanager
def _at_rest(module: nn.Module, device: str | torch.device) -> Iterator[None]:
    """Put a module in evaluation mode on a device within the block."""
    training = {m: m.training for m in module.modules()}
    home = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.eval().to(device)
    try:
        yield
    finally:
        module.to(home)
        for part, was in training.items():
            part.training = was


def _check_rows_are_free(graph: Any, module: nn.Module) -> None:
    fixed = [i.name for i in graph.input if not i.type.tensor_type.shape.dim[0].dim_param]
    if fixed:
        raise RuntimeError(
            f"the rows of {', '.join(fixed)} became fixed in the export of {_name(module)}: pass "
            "dynamic_batch=False, and the number of rows to serve as batch_size"
        )


def _name(module: nn.Module) -> str:
    return type(getattr(module, "model", module)).__name__


def _bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())
