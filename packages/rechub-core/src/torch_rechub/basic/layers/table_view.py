"""A view of one table in its stack that is read, written and frozen like an `nn.Embedding`."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from .tables import Slice


class HasTables(Protocol):
    """The part of `EmbeddingLayer` that views of its tables use."""

    slices: dict[str, Slice]

    def table(self, name: str) -> Tensor:
        """The rows of a feature's table."""

    def slice_of(self, feature: str) -> Slice:
        """Where a feature's table lies."""

    def forget_slices(self) -> None:
        """Clear the cached positions of tables."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """The matrices of stacked tables."""

    def named_parameters(self, *, recurse: bool = ...) -> Iterator[tuple[str, nn.Parameter]]:
        """The matrices by name."""

    def get_parameter(self, target: str) -> nn.Parameter:
        """A matrix by its name."""

    def register_parameter(self, name: str, param: nn.Parameter | None) -> None:
        """Register a matrix, replacing one of the same name."""


class TableRows(Tensor):
    """The rows of a table: a view of its stack with the interface of an `nn.Parameter`.

    It is not a leaf: optimizers train the stack. `grad` returns the rows of the stack's gradient,
    writing to `data` changes the model, and `requires_grad` freezes this table only. Operations on
    it return plain tensors.
    """

    _layer: HasTables
    _name: str

    @classmethod
    def of(cls, layer: HasTables, name: str) -> "TableRows":
        """The rows of the table called `name`."""
        rows = layer.table(name).detach().as_subclass(cls)
        rows._layer, rows._name = layer, name
        return rows

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute with the current rows: a freeze or `load_state_dict` may have moved them."""

        def now(value: Any) -> Any:
            return value._layer.table(value._name) if isinstance(value, TableRows) else value

        return func(*tree_map(now, args), **tree_map(now, kwargs or {}))

    @property
    def grad(self) -> Tensor | None:
        """The rows of the gradient, None before the first backward pass.

        A dense gradient is a view; a sparse one is a copy: assign to `grad` to change it.
        """
        stack, where = _stack_of(self._layer, self._name)
        if stack.grad is None or not stack.grad.is_sparse:
            return None if stack.grad is None else stack.grad.narrow(0, where.start, where.rows)
        ids, values, own = _sparse_rows(stack.grad, where)
        return _sparse(ids[own] - where.start, values[own], where.rows).coalesce()

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        stack, where = _stack_of(self._layer, self._name)
        if stack.grad is not None and stack.grad.is_sparse:
            ids, values, own = _sparse_rows(stack.grad, where)
            ids, values = ids[~own], values[~own]
            if value is not None:
                new = (value if value.is_sparse else value.to_sparse(1)).coalesce()
                ids = torch.cat([ids, new.indices()[0] + where.start])
                values = torch.cat([values, new.values()])
            stack.grad = _sparse(ids, values, len(stack))
        elif stack.grad is not None or value is not None:
            stack.grad = torch.zeros_like(stack) if stack.grad is None else stack.grad
            rows = stack.grad.narrow(0, where.start, where.rows)
            rows.copy_(torch.zeros_like(rows) if value is None else value.to_dense())

    @property
    def data(self) -> Tensor:
        """The rows without a gradient; writing to them changes the model."""
        return self._layer.table(self._name).data

    @data.setter
    def data(self, value: Tensor) -> None:
        write(self._layer, self._name, value)

    @property
    def requires_grad(self) -> bool:
        """Whether the table is trained."""
        return _stack_of(self._layer, self._name)[0].requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        set_trainable(self._layer, self._name, value)

    def requires_grad_(self, requires_grad: bool = True) -> "TableRows":
        """Freeze or unfreeze the table; return its rows."""
        set_trainable(self._layer, self._name, requires_grad)
        return TableRows.of(self._layer, self._name)

    def register_hook(self, hook: Any) -> Any:
        """Refuse: gradients accumulate in the stack, so a hook on the rows would never run."""
        where = self._layer.slice_of(self._name)
        raise NotImplementedError(
            f"register the hook on the layer's parameter {where.stack!r}: the table of feature "
            f"{self._name!r} are its rows {where.start} to {where.start + where.rows - 1}"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Parameter:
        return nn.Parameter(self.data.clone(), self.requires_grad)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # pickled alone, the rows become a plain parameter; otherwise the whole stack would be saved
        return self.__deepcopy__({}).__reduce_ex__(protocol)


class TableView:
    """The table of one feature in its stack, with the interface of `nn.Embedding`.

    Attributes:
        num_embeddings: Number of rows.
        embedding_dim: Width of a row.
        padding_idx: The row that is never trained, or None.
    """

    def __init__(self, layer: HasTables, name: str, padding_idx: int | None) -> None:
        self._layer, self._name, self.padding_idx = layer, name, padding_idx
        self.num_embeddings, self.embedding_dim = layer.table(name).shape

    @property
    def weight(self) -> TableRows:
        """The rows, shape (num_embeddings, embedding_dim); assigning writes them."""
        return TableRows.of(self._layer, self._name)

    @weight.setter
    def weight(self, value: Tensor) -> None:
        write(self._layer, self._name, value)
        if isinstance(value, nn.Parameter):
            set_trainable(self._layer, self._name, value.requires_grad)

    def __call__(self, ids: Tensor) -> Tensor:
        """The rows of `ids`: (...) to (..., embedding_dim)."""
        return F.embedding(ids.long(), self._layer.table(self._name), self.padding_idx)

    def parameters(self) -> Iterator[TableRows]:
        """The rows of this table, to read, write or freeze; optimizers take the layer's stacks."""
        yield self.weight

    def requires_grad_(self, requires_grad: bool = True) -> "TableView":
        """Freeze or unfreeze the table; return the view."""
        set_trainable(self._layer, self._name, requires_grad)
        return self

    def zero_grad(self) -> None:
        """Set the rows of the gradient to 0."""
        self.weight.grad = None


class Tables(Mapping[str, TableView]):
    """The tables of a layer by the name of the feature that owns each."""

    def __init__(self, layer: HasTables, padding: Mapping[str, int | None]) -> None:
        self._layer, self._padding = layer, padding

    def __getitem__(self, name: str) -> TableView:
        if name not in self._padding:
            raise KeyError(
                f"no feature {name!r} has a table here; those that do: {', '.join(self)}"
            )
        return TableView(self._layer, name, self._padding[name])

    def __setitem__(self, name: str, table: nn.Embedding) -> None:
        self[name].weight = table.weight

    def __iter__(self) -> Iterator[str]:
        return iter(self._padding)

    def __len__(self) -> int:
        return len(self._padding)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters for an optimizer: the stacks of all tables."""
        return self._layer.parameters()


def write(layer: HasTables, name: str, value: Tensor) -> None:
    """Overwrite the rows of a table.

    Raises:
        ValueError: `value` has another shape than the table.
    """
    table = layer.table(name)
    if value.shape != table.shape:
        raise ValueError(
            f"the table of feature {name!r} has the shape {tuple(table.shape)}, but is given "
            f"{tuple(value.shape)}"
        )
    with torch.no_grad():
        table.copy_(value)


def set_trainable(layer: HasTables, name: str, trainable: bool) -> None:
    """Freeze or unfreeze a table; call it before an optimizer holds moments of its rows.

    `requires_grad` applies to a whole stack, so a table that differs from the others moves out.

    Raises:
        RuntimeError: The graph of a result computed from the stack is alive.
    """
    stack, where = _stack_of(layer, name)
    if stack.requires_grad == trainable:
        return
    if where.rows == len(stack):
        stack.requires_grad_(trainable)
        return
    start, end, width = where.start, where.start + where.rows, stack.shape[1]
    rows = stack.data[start:end].clone()
    left = torch.cat([stack.data[:start], stack.data[end:]])
    stacks = dict(layer.named_parameters(recurse=False))
    alike = [n for n, p in stacks.items() if p.requires_grad == trainable and p.shape[1] == width]
    if alike:
        target, lies = stacks[alike[0]], Slice(alike[0], len(stacks[alike[0]]), where.rows)
        resized = [(stack, left), (target, torch.cat([target.data, rows]))]
        for p, new in resized if stack.requires_grad else reversed(resized):
            # the trained stack first: it may refuse, and then nothing has changed yet
            _resize(p, new, name)
    else:
        _resize(stack, left, name)
        lies = Slice(_free_name(stacks, width, trainable), 0, where.rows)
        layer.register_parameter(lies.stack, nn.Parameter(rows, requires_grad=trainable))
    for other, its in layer.slices.items():
        if its.stack == where.stack and its.start > start:
            layer.slices[other] = Slice(its.stack, its.start - where.rows, its.rows)
    layer.slices[name] = lies
    layer.forget_slices()


def _free_name(stacks: Mapping[str, Any], width: int, trainable: bool) -> str:
    name = f"stack_{width}" + ("" if trainable else "_frozen")
    while name in stacks:
        name += "_"
    return name


def _resize(stack: nn.Parameter, rows: Tensor, name: str) -> None:
    """Replace the rows of a parameter in place, so that optimizers that hold it keep training it.

    Raises:
        RuntimeError: The autograd graph of a result computed from it is alive and expects the
            old shape.
    """
    old, grad = stack.data, stack.grad
    stack.grad, stack.data = None, rows
    if stack.requires_grad:
        # The node that accumulates the gradient lives as long as a graph uses the parameter, and
        # expects the shape at its creation: with a live graph, the next backward would fail.
        node = stack.view_as(stack).grad_fn.next_functions[0][0]  # type: ignore[union-attr]
        expected = [tuple(m.shape) for m in node._input_metadata]  # type: ignore[union-attr]
        if expected != [tuple(rows.shape)]:
            stack.data, stack.grad = old, grad
            raise RuntimeError(
                f"the table of feature {name!r} cannot be frozen or released while something "
                "computed from the tables still has its graph, such as an output of the model: "
                "delete it, or compute it under torch.no_grad()"
            )


def _sparse_rows(grad: Tensor, where: Slice) -> tuple[Tensor, Tensor, Tensor]:
    """Row ids of a sparse gradient, their values, and the mask of those in the slice."""
    ids, values = grad._indices()[0], grad._values()
    return ids, values, (ids >= where.start) & (ids < where.start + where.rows)


def _sparse(rows: Tensor, values: Tensor, n_rows: int) -> Tensor:
    size = (n_rows, *values.shape[1:])
    return torch.sparse_coo_tensor(rows.unsqueeze(0), values, size, check_invariants=False)


def _stack_of(layer: HasTables, name: str) -> tuple[nn.Parameter, Slice]:
    where = layer.slice_of(name)
    return layer.get_parameter(where.stack), where
