"""Export to ONNX by the names that scripts use."""

from ..export.onnx import ONNXExporter, ONNXWrapper

__all__ = ["ONNXExporter", "ONNXWrapper"]
