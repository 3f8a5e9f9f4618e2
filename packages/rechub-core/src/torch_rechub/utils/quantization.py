"""Quantization of ONNX files under the names of scripts for 0.9."""

from ..export.quantization import quantize_model

__all__ = ["quantize_model"]
