"""Quantization of ONNX files by the name that scripts use."""

from ..export.quantization import quantize_model

__all__ = ["quantize_model"]
