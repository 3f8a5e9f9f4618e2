"""Pictures of models by the names that scripts use."""

from importlib.util import find_spec

from ..export.picture import display_graph, visualize_model

__all__ = ["TORCHVIEW_AVAILABLE", "display_graph", "visualize_model"]

TORCHVIEW_AVAILABLE = find_spec("torchview") is not None
