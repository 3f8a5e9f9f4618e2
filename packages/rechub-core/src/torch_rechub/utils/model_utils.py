"""What a model reads, by the names that scripts use."""

from ..export.inputs import (
    extract_feature_info,
    generate_dummy_input,
    generate_dummy_input_dict,
    generate_dynamic_axes,
)

__all__ = [
    "extract_feature_info",
    "generate_dummy_input",
    "generate_dummy_input_dict",
    "generate_dynamic_axes",
]
