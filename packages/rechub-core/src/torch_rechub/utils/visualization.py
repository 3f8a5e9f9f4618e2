"""Pictures of models under the names of scripts for 0.9."""

from importlib.util import find_spec

from ..export.picture import display_graph, visualize_model

__all__ = ["TORCHVIEW_AVAILABLE", "display_graph", "visualize_model"]

TORCHVIEW_AVAILABLE = find_spec("torchview") is not None
