"""Quantization of ONNX files."""

from pathlib import Path
from typing import Any

from .._extras import require
from .._files import naming
from .._paths import local_path
from ..types import FilePath
from .bounds import refuse_half_precision

_WEIGHTS = {"qint8": "QInt8", "quint8": "QUInt8"}


def quantize_model(
    input_path: FilePath,
    output_path: FilePath,
    mode: str = "int8",
    *,
    per_channel: bool = False,
    reduce_range: bool = False,
    weight_type: str = "qint8",
    optimize_model: bool = False,
    op_types_to_quantize: list[str] | None = None,
    nodes_to_quantize: list[str] | None = None,
    nodes_to_exclude: list[str] | None = None,
    extra_options: dict[str, Any] | None = None,
    keep_io_types: bool = True,
) -> str:
    """Quantize an ONNX file with the tools of onnxruntime.

    Args:
        input_path: The file to read.
        output_path: The file to write; its folder is created.
        mode: "int8" (or "dynamic_int8"): 8-bit weights, activations quantized dynamically;
            "fp16": 16-bit weights and activations, which are slow on CPUs.
        per_channel: int8: whether each channel has its own scale.
        reduce_range: int8: whether to use 7-bit weights, for CPUs without VNNI.
        weight_type: int8: "qint8" or "quint8".
        optimize_model: int8: whether to optimize the graph first.
        op_types_to_quantize: int8: operator types to quantize; None means all supported ones.
        nodes_to_quantize: int8: names of nodes to quantize; None means all.
        nodes_to_exclude: int8: names of nodes that are not quantized.
        extra_options: int8: additional options of onnxruntime.
        keep_io_types: fp16: whether inputs and outputs stay float32.

    Returns:
        The path of the quantized file.

    Raises:
        ImportError: onnxruntime or onnx is missing.
        FileNotFoundError: The input file does not exist.
        ValueError: `mode` or `weight_type` is unknown, or fp16: the file has ids as floats, which
            half precision would round.
    """
    if mode not in ("int8", "dynamic_int8", "fp16"):
        raise ValueError(f"mode must be 'int8', 'dynamic_int8' or 'fp16', got {mode!r}")
    if weight_type not in _WEIGHTS:
        raise ValueError(f"weight_type must be 'qint8' or 'quint8', got {weight_type!r}")
    if not Path(input_path).is_file():
        raise FileNotFoundError(f"there is no ONNX file {str(input_path)!r}")
    output_path = local_path("output_path", output_path)
    output_path.parent.mkdir(parents=True, exist_ok=True)
    onnx = require("onnx", "quantize_model", "onnx")
    quantization = require("onnxruntime.quantization", "quantize_model", "onnx")
    if mode == "fp16":
        float16 = require("onnxruntime.transformers.float16", "quantize_model", "onnx")
        model = onnx.load(str(input_path))
        refuse_half_precision(onnx, model.graph)
        model = float16.convert_float_to_float16(model, keep_io_types=keep_io_types)
        with naming(output_path):
            onnx.save(model, str(output_path))
        return str(output_path)
    if optimize_model:
        # onnxruntime's symbolic shape inference fails on dynamic sequence lengths
        quantization.quant_pre_process(str(input_path), str(output_path), skip_symbolic_shape=True)
        input_path = output_path
    with naming(output_path):
        quantization.quantize_dynamic(
            str(input_path),
            str(output_path),
            op_types_to_quantize=op_types_to_quantize,
            per_channel=per_channel,
            reduce_range=reduce_range,
            weight_type=quantization.QuantType[_WEIGHTS[weight_type]],
            nodes_to_quantize=nodes_to_quantize,
            nodes_to_exclude=nodes_to_exclude,
            extra_options=extra_options,
        )
    return str(output_path)
