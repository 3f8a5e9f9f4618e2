"""Bounds checks of ids inside an ONNX graph.

The tables of a model are stacked, so an id out of range would read a row of another feature, and
ONNX counts negative ids from the end of a table.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def refuse_ids(onnx: Any, graph: Any, sizes: Mapping[str, int]) -> None:
    """Make a graph fail if an input holds an id outside its vocabulary.

    Every reader of an input x of ids 0 to V − 1 reads x + [0][|x − clip(x, 0, V − 1)|] instead: an
    index other than 0 into [0] is an error of the runtime. The error names the node, which is
    called ``ids_of_user_outside_0_to_8``.

    Args:
        onnx: The onnx package.
        graph: The `GraphProto`, changed in place.
        sizes: Input name to V; other names are ignored.
    """
    inputs = [value for value in graph.input if value.name in sizes]
    _rename_reads(graph, {value.name: f"{value.name}/checked" for value in inputs})
    following = list(graph.node)
    del graph.node[:]
    for value in inputs:
        _add_check(onnx, graph, value.name, value.type.tensor_type.elem_type, sizes[value.name])
    graph.node.extend(following)


def _add_check(onnx: Any, graph: Any, x: str, elem_type: int, size: int) -> None:
    """Add the nodes of the check of one input."""
    types = onnx.TensorProto
    whole = elem_type in (types.INT32, types.INT64)
    ids, error = ("", "/error") if whole else ("/ids", "/typed")
    steps: list[tuple[str, tuple[str, ...], str, str, dict[str, Any]]] = [
        ("Clip", (ids, "/first", "/last"), "/nearest", f"nearest_ids_of_{x}", {}),
        ("Sub", (ids, "/nearest"), "/excess", f"excess_of_ids_of_{x}", {}),
        ("Abs", ("/excess",), "/distance", f"distance_of_ids_of_{x}", {}),
        ("Gather", ("/zero", "/distance"), "/error", f"ids_of_{x}_outside_0_to_{size - 1}", {}),
        ("Add", ("", error), "/checked", f"checked_ids_of_{x}", {}),
    ]
    if not whole:  # such as floats: the dtype of a column of ids with missing values
        steps.insert(0, ("Cast", ("",), ids, f"whole_ids_of_{x}", {"to": types.INT64}))
        steps.insert(-1, ("Cast", ("/error",), error, f"error_of_ids_of_{x}", {"to": elem_type}))
    graph.node.extend(
        onnx.helper.make_node(kind, [x + i for i in parts], [x + o], name, **settings)
        for kind, parts, o, name, settings in steps
    )
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type if whole else types.INT64)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array(number, dtype), f"{x}/{name}")
        for name, number in (("first", 0), ("last", size - 1), ("zero", [0]))
    )


def _rename_reads(graph: Any, names: Mapping[str, str]) -> None:
    """Rename the inputs of nodes, including those in loops and branches."""
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
        for attribute in node.attribute:
            for inner in (*_subgraph(attribute), *attribute.graphs):
                _rename_reads(inner, names)


def _subgraph(attribute: Any) -> Iterator[Any]:
    if attribute.HasField("g"):
        yield attribute.g
