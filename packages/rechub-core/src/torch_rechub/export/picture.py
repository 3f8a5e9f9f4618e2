"""Pictures of models."""

from typing import Any

import torch
from torch import nn

from .._extras import require
from .._files import naming
from .._paths import local_path
from ..types import FilePath
from .inputs import as_columns, columns_of, generate_dummy_input_dict


def visualize_model(
    model: nn.Module,
    input_data: Any = None,
    batch_size: int = 2,
    seq_length: int = 10,
    depth: int = 3,
    show_shapes: bool = True,
    expand_nested: bool = True,
    save_path: FilePath | None = None,
    graph_name: str = "model",
    device: str | torch.device = "cpu",
    dpi: int = 300,
    **kwargs: Any,
) -> Any:
    """Draw the modules of a model with torchview.

    Args:
        model: A model built of features, or any model if `input_data` is given.
        input_data: A dict of tensors, or a tuple of arguments; None generates random inputs.
        batch_size: Number of rows of random inputs.
        seq_length: Sequence length of random inputs.
        depth: Number of levels of nested modules to draw.
        show_shapes: Whether to show the shapes of tensors.
        expand_nested: Whether modules are drawn as boxes around their parts.
        save_path: The picture to write, as .pdf, .png or .svg; needs Graphviz's program `dot`.
        graph_name: Name of the graph.
        device: The device to run on; afterwards the model is moved back.
        dpi: Dots per inch.
        kwargs: Additional arguments of `torchview.draw_graph`.

    Returns:
        torchview's graph; its `visual_graph` is a graph of the package graphviz.

    Raises:
        ImportError: torchview or graphviz is missing.
        ValueError: The inputs of the model are unknown.
    """
    torchview = require("torchview", "visualization", "visualization")
    require("graphviz", "visualization", "visualization")
    if input_data is None or isinstance(input_data, dict):
        columns = columns_of(model)
        if input_data is None:
            features = list(columns.values())
            input_data = generate_dummy_input_dict(features, batch_size, seq_length)
        # a tuple, so that the dict is one argument rather than keyword arguments
        input_data = (as_columns(input_data, list(columns)),)
    home = next((p.device for p in model.parameters()), torch.device("cpu"))
    training = {part: part.training for part in model.modules()}
    try:
        graph = torchview.draw_graph(
            model, input_data, graph_name=graph_name, depth=depth, device=device, mode="eval",
            show_shapes=show_shapes, expand_nested=expand_nested, **kwargs,
        )  # fmt: skip
    finally:
        model.to(home)
        for part, was in training.items():
            part.training = was
    graph.visual_graph.graph_attr["dpi"] = str(dpi)
    if save_path is not None:
        path = local_path("save_path", save_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with naming(path):
            graph.visual_graph.render(outfile=str(path), cleanup=True)
    return graph


def display_graph(graph: Any, format: str = "png") -> Any:
    """Show a graph of `visualize_model` in a notebook; elsewhere return the picture.

    Args:
        graph: The result of `visualize_model`.
        format: "png" or "svg".

    Returns:
        An image of IPython; needs Graphviz's program `dot`.

    Raises:
        ImportError: IPython is missing.
        ValueError: `format` has another value.
    """
    if format not in ("png", "svg"):
        raise ValueError(f"format must be 'png' or 'svg', got {format!r}")
    display = require("IPython.display", "display_graph", "visualization")
    picture = graph.visual_graph.pipe(format=format)
    shown = display.SVG(picture) if format == "svg" else display.Image(picture)
    display.display(shown)
    return shown
