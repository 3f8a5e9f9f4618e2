"""Export to ONNX under the names of scripts for 0.9."""

from ..basic.features import DenseFeature, SequenceFeature, SparseFeature
from ..export.inputs import (
    extract_feature_info,
    generate_dummy_input,
    generate_dummy_input_dict,
    generate_dynamic_axes,
)
from ..export.onnx import ONNXExporter, ONNXWrapper

__all__ = [
    "DenseFeature",
    "ONNXExporter",
    "ONNXWrapper",
    "SequenceFeature",
    "SparseFeature",
    "extract_feature_info",
    "generate_dummy_input",
    "generate_dummy_input_dict",
    "generate_dynamic_axes",
]
