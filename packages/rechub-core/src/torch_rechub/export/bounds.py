"""Bounds checks of ids inside an ONNX graph.

The tables of a model are stacked, so an id out of range would read a row of another feature, and
ONNX counts negative ids from the end of a table.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

# operators that only convert or arrange ids, on their way from an input to a table
_MOVES = ("Cast", "Expand", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
# the largest whole number up to which a floating-point type holds all of them
_EXACT = {"FLOAT": 2**24, "DOUBLE": 2**53, "FLOAT16": 2**11, "BFLOAT16": 2**8}


def refuse_ids(onnx: Any, graph: Any, sizes: Mapping[str, int]) -> None:
    """Make a graph fail if an input holds an id outside its vocabulary.

    Every reader of an input x of ids 0 to V − 1 reads c + [0][|x − c|], c = clip(x, 0, V − 1),
    instead: an index other than 0 into [0] is an error of the runtime. The error names the node,
    which is called ``ids_of_user_outside_0_to_8``; for an id of a floating-point column that is no
    whole number it is ``ids_of_user_not_whole``. A runtime that returns 0 for
    such an index reads the nearest id of the column, and no row of another feature.

    Args:
        onnx: The onnx package.
        graph: The `GraphProto`, changed in place.
        sizes: Input name to V. Inputs without a size that are ids of a table of the graph, such as
            those of `torch.nn.Embedding`, have as many ids as it has rows.

    Raises:
        ValueError: An input has a type in which ids of its vocabulary are rounded.
    """
    sizes = {**_sizes_of_tables(graph), **sizes}
    inputs = [value for value in graph.input if value.name in sizes]
    for value in inputs:
        refuse_rounding(onnx, value.name, value.type.tensor_type.elem_type, sizes[value.name])
    _rename_reads(graph, {value.name: f"{value.name}/checked" for value in inputs})
    following = list(graph.node)
    del graph.node[:]
    for value in inputs:
        _add_check(onnx, graph, value.name, value.type.tensor_type.elem_type, sizes[value.name])
    graph.node.extend(following)


def refuse_half_precision(onnx: Any, graph: Any) -> None:
    """Refuse to convert a graph that `refuse_ids` has changed if ids would be rounded.

    Raises:
        ValueError: A floating-point input has ids that half precision does not hold.
    """
    last = {c.name: int(onnx.numpy_helper.to_array(c)) for c in graph.initializer if _is_last(c)}
    types = onnx.TensorProto
    for value in graph.input:
        floats = value.type.tensor_type.elem_type in (types.FLOAT, types.DOUBLE)
        if floats and f"{value.name}/last" in last:
            refuse_rounding(onnx, value.name, types.FLOAT16, last[f"{value.name}/last"] + 1)


def _is_last(constant: Any) -> bool:
    return bool(constant.name.endswith("/last")) and not constant.dims


def refuse_rounding(onnx: Any, name: str, elem_type: int, size: int) -> None:
    """Refuse an input of ids whose type does not hold all of them.

    Raises:
        ValueError: It is a floating-point type of too few digits.
    """
    kind = onnx.TensorProto.DataType.Name(elem_type)
    if size - 1 > _EXACT.get(kind, size):
        raise ValueError(
            f"input {name!r} has ids up to {size - 1}, but its type {kind.lower()} holds whole "
            f"numbers up to {_EXACT[kind]} only, so that rows of other ids would be read: trace "
            "the model with ids as whole numbers"
        )


def _add_check(onnx: Any, graph: Any, x: str, elem_type: int, size: int) -> None:
    """Add the nodes of the check of one input."""
    types = onnx.TensorProto
    whole = elem_type in (types.INT32, types.INT64)
    ids, checked = ("", "/checked") if whole else ("/ids", "/checked_ids")
    steps: list[tuple[str, tuple[str, ...], str, str, dict[str, Any]]] = [
        ("Clip", (ids, "/first", "/last"), "/nearest", f"nearest_ids_of_{x}", {}),
        ("Sub", (ids, "/nearest"), "/excess", f"excess_of_ids_of_{x}", {}),
        ("Abs", ("/excess",), "/distance", f"distance_of_ids_of_{x}", {}),
        ("Gather", ("/zero", "/distance"), "/error", f"ids_of_{x}_outside_0_to_{size - 1}", {}),
        ("Add", ("/nearest", "/error"), checked, f"checked_ids_of_{x}", {}),
    ]
    if not whole:  # such as floats: the dtype of a column of ids with missing values
        steps.insert(0, ("Cast", ("",), ids, f"whole_ids_of_{x}", {"to": types.INT64}))
        steps.append(("Cast", (checked,), "/checked", f"given_ids_of_{x}", {"to": elem_type}))
    if types.DataType.Name(elem_type) in _EXACT:
        steps[1:1] = [
            ("Floor", ("",), "/floor", f"floor_of_ids_of_{x}", {}),
            ("Sub", ("", "/floor"), "/fraction", f"fraction_of_ids_of_{x}", {}),
            ("Ceil", ("/fraction",), "/above", f"ids_of_{x}_above_floor", {}),
            ("Cast", ("/above",), "/parts", f"parts_of_ids_of_{x}", {"to": types.INT64}),
            ("Gather", ("/zero", "/parts"), "/none", f"ids_of_{x}_not_whole", {}),
            ("Add", (ids, "/none"), "/sound", f"sound_ids_of_{x}", {}),
        ]
        steps[7] = ("Clip", ("/sound", "/first", "/last"), *steps[7][2:])
    graph.node.extend(
        onnx.helper.make_node(kind, [x + i for i in parts], [x + o], name, **settings)
        for kind, parts, o, name, settings in steps
    )
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type if whole else types.INT64)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array(number, dtype), f"{x}/{name}")
        for name, number in (("first", 0), ("last", size - 1), ("zero", [0]))
    )


def _sizes_of_tables(graph: Any) -> dict[str, int]:
    """The number of rows of the smallest table that each input is an index into."""
    tables = {constant.name: constant.dims for constant in graph.initializer}
    origin = {value.name: value.name for value in graph.input}
    sizes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in _MOVES and node.input[0] in origin:
            origin[node.output[0]] = origin[node.input[0]]
        elif node.op_type == "Gather" and node.input[0] in tables and node.input[1] in origin:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            name, rows = origin[node.input[1]], tables[node.input[0]][axis]
            sizes[name] = min(rows, sizes.get(name, rows))
    return sizes


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
