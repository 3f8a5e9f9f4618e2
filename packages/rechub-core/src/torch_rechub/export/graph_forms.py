"""Variants of layers for ONNX graphs, used while a model is exported.

A graph cannot hold shapes that depend on values, such as the number of valid steps of a history,
and torch would unroll a recurrence to a fixed length. The variants compute the same formulas.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from ..basic.layers.recurrent import AUGRU
from ..basic.layers.target_attention import ActivationUnit

Translations = dict[Any, Callable[..., Any]]


@contextmanager
def graph_forms(module: nn.Module) -> Iterator[Translations]:
    """Replace the `forward` of layers of a module in evaluation mode within the block.

    Yields:
        The functions that translate the operators of these variants to ONNX.
    """
    forms = [(part, form) for part in module.modules() if (form := _form_of(part)) is not None]
    for part, form in forms:
        part.forward = form
    try:
        yield _translations()
    finally:
        for part, _ in forms:
            del part.forward


def _form_of(part: nn.Module) -> Callable[..., Any] | None:
    if "forward" in vars(part):  # a forward set by the user
        return None
    if type(part) is ActivationUnit:
        return partial(_activation_unit, part)
    if type(part) is AUGRU:
        return _augru(part)
    if type(part) is nn.GRU and part.batch_first and not part.bidirectional:
        return _gru(part)
    return None


def _activation_unit(
    unit: ActivationUnit, history: Tensor, target: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Apply the network to all steps, independent in evaluation; padding gets weight 0."""
    valid = (torch.ones_like(history[..., 0]) if mask is None else mask).bool()
    v = target.unsqueeze(1).expand_as(history)
    a = unit.activations(history.flatten(0, 1), v.flatten(0, 1)).view_as(valid)
    return unit.weighted_sum(a.masked_fill(~valid, 0.0), valid, history)


def _gru(gru: nn.GRU) -> Callable[..., Any]:
    """Compute each layer by one operator."""
    layers = [_gru_weights(gru, f"l{k}") for k in range(gru.num_layers)]

    def forward(x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if hx is not None or x.dim() != 3:
            return nn.GRU.forward(gru, x, hx)
        last = []
        for weights in layers:
            x = _operators().gru(x, *weights, gru.hidden_size)
            last.append(x[:, -1])
        return x, torch.stack(last)

    return forward


def _gru_weights(gru: nn.GRU, layer: str) -> list[Tensor]:
    """W, R and b in the gate order of ONNX: update before reset, unlike torch."""
    w, r = (_by_gate(getattr(gru, f"weight_{part}_{layer}")) for part in ("ih", "hh"))
    b = w.new_zeros(2 * len(w))
    if gru.bias:
        b = torch.cat([_by_gate(getattr(gru, f"bias_{part}_{layer}")) for part in ("ih", "hh")])
    return [value.unsqueeze(0) for value in (w, r, b)]


def _by_gate(weights: Tensor) -> Tensor:
    reset, update, new = weights.detach().chunk(3)
    return torch.cat([update, reset, new])


def _augru(layer: AUGRU) -> Callable[..., Any]:
    """Compute the recurrence by one operator."""
    cell = layer.augru_cell
    w, u, b = (
        torch.cat([getattr(cell, f"{part}{gate}").detach() for gate in "urh"], dim=1)
        for part in "WUb"
    )

    def forward(x: Tensor, item: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        a = layer.attention(x, item, mask).unsqueeze(2)
        states = _operators().augru(x @ w + b, a, u)
        return states, states[:, -1]

    return forward


@cache
def _operators() -> Any:
    """Register opaque operators for tracing: torch.ops.torch_rechub."""

    @torch.library.custom_op("torch_rechub::gru", mutates_args=())
    def gru(x: Tensor, w: Tensor, r: Tensor, b: Tensor, hidden: int) -> Tensor:
        raise NotImplementedError("this operator is there to be exported")

    @torch.library.custom_op("torch_rechub::augru", mutates_args=())
    def augru(gates: Tensor, a: Tensor, u: Tensor) -> Tensor:
        raise NotImplementedError("this operator is there to be exported")

    @gru.register_fake
    def _(x: Tensor, w: Tensor, r: Tensor, b: Tensor, hidden: int) -> Tensor:
        return x.new_empty(*x.shape[:2], hidden)

    @augru.register_fake
    def _(gates: Tensor, a: Tensor, u: Tensor) -> Tensor:
        return gates.new_empty(*gates.shape[:2], len(u))

    return torch.ops.torch_rechub


def _translations() -> Translations:
    from onnxscript import evaluator, ir, opset18

    op: Any = opset18
    tracer: Any = evaluator

    def gru(x, w, r, b, hidden):  # type: ignore[no-untyped-def]
        """ONNX's GRU, with time as the first axis: (L, 1, B, H)."""
        x = op.Transpose(x, perm=[1, 0, 2])
        y, _ = op.GRU(x, w, r, b, hidden_size=hidden, linear_before_reset=1)
        return op.Squeeze(op.Transpose(y, perm=[2, 0, 1, 3]), [2])

    def augru(gates, a, u):  # type: ignore[no-untyped-def]
        """A Scan over the steps, with initial state 0."""
        first = op.Squeeze(op.Slice(gates, [0], [1], [1]), [1])
        h = op.Mul(op.MatMul(first, op.Transpose(u, perm=[1, 0])), 0.0)
        gates, a = (op.Transpose(value, perm=[1, 0, 2]) for value in (gates, a))
        attributes = {"body": _augru_step(u), "num_scan_inputs": 2}
        scan = ir.node("Scan", [h, gates, a], attributes, num_outputs=2, version=18)
        tracer.default().nodes.append(scan)  # op.Scan would return one output only
        return op.Transpose(scan.outputs[1], perm=[1, 0, 2])

    operators = _operators()
    return {operators.gru.default: gru, operators.augru.default: augru}


def _augru_step(u: Any) -> Any:
    """The body graph of `AUGRU_Cell`: h, g = x W + b and a to the next h, as state and output."""
    from onnxscript import ir

    h, g, a = (ir.Value(name=f"augru_{name}") for name in ("h", "g", "a"))
    nodes: list[Any] = []

    def add(kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"augru_{len(nodes)}_{i}" for i in range(outputs)]
        made = [ir.Value(name=name) for name in names]
        nodes.append(ir.node(kind, inputs, attributes, outputs=made))
        return made if outputs > 1 else made[0]

    g_u, g_r, g_h = add("Split", g, outputs=3, axis=1, num_outputs=3)
    h_u, h_r, h_h = add("Split", add("MatMul", h, u), outputs=3, axis=1, num_outputs=3)
    update = add("Mul", a, add("Sigmoid", add("Add", g_u, h_u)))
    reset = add("Sigmoid", add("Add", g_r, h_r))
    new = add("Tanh", add("Add", g_h, add("Mul", reset, h_h)))
    state = add("Add", h, add("Mul", update, add("Sub", new, h)))
    return ir.Graph([h, g, a], [state, add("Identity", state)], nodes=nodes, name="augru_step")
