"""Lazy updates of tables: the cost of a step depends on the batch, not on the vocabulary."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

State = dict[str, Tensor]


class TouchedRows:
    """Sums the gradients of duplicate rows in a sparse gradient.

    Tables that are looked up by the same ids in one step, such as the embeddings and the
    first-order weights of a factorization machine, share the sorting of ids.

    Example:
        >>> ids, values = torch.tensor([[3, 1, 3]]), torch.tensor([[1.0], [2.0], [4.0]])
        >>> grad = torch.sparse_coo_tensor(ids, values, (5, 1), check_invariants=False)
        >>> TouchedRows()(grad)
        (tensor([1, 3]), tensor([[2.],
                [5.]]))
    """

    def __init__(self) -> None:
        self._ids: Tensor | None = None
        self._rows = self._order = self._starts = torch.empty(0, dtype=torch.long)

    def __call__(self, grad: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distinct rows of a sparse gradient, in order, and their summed gradients.

        Args:
            grad: Sparse gradient (V, D), with one sparse dimension.

        Returns:
            Rows (U,), and their gradients (U, D).
        """
        ids, values = grad._indices()[0], grad._values()
        if grad.is_coalesced():
            return ids, values
        if self._ids is None or not torch.equal(self._ids, ids):
            self._sort(ids)
        # coalesce() would sort again for every table; embedding_bag sums segments of the sorted
        # order
        flat = values.flatten(1) if values.dim() > 1 else values.unsqueeze(1)
        sums = F.embedding_bag(self._order, flat, self._starts, mode="sum")
        return self._rows, sums.reshape(-1, *values.shape[1:])

    def _sort(self, ids: Tensor) -> None:
        """Sort the ids: order[starts[u]:starts[u + 1]] are the positions of rows[u]."""
        self._ids = ids
        ordered, self._order = torch.sort(ids, stable=True)
        first = torch.ones_like(ordered, dtype=torch.bool)
        torch.ne(ordered[1:], ordered[:-1], out=first[1:])
        self._starts = first.nonzero().flatten()
        self._rows = ordered[self._starts]


class LazyOptimizer(Optimizer):
    """The base class of optimizers that update only the rows of a table that a batch touched.

    A parameter whose gradient is sparse (`nn.Embedding(sparse=True)`, or a table of
    `EmbeddingLayer` after `use_sparse_gradients`) is updated only in the rows of the gradient; the
    moments and weights of other rows do not decay. A parameter with a dense gradient is updated as
    a whole. The step number of the bias correction is that of the parameter, not of the row.

    A subclass defines an update rule: `moments` creates the state, `update` computes a step.

    Args:
        params: Parameters, or dicts of parameter groups.
        defaults: The default settings of the rule.
        row_wise: Whether to store one second moment per row, the mean over its D values, instead of
            D.

    Reference:
        Row-wise moments: Naumov et al., Deep Learning Recommendation Model for Personalization and
        Recommendation Systems, 2019, arXiv 1906.00091, as used in its training.
    """

    def __init__(
        self, params: Iterable[Any], defaults: Mapping[str, Any], row_wise: bool = False
    ) -> None:
        super().__init__(params, {**defaults, "row_wise": row_wise})

    @abstractmethod
    def moments(self, p: Tensor, group: Mapping[str, Any]) -> State:
        """Return the initial state of `p`: name to tensor, each with as many rows as `p`."""

    @abstractmethod
    def update(
        self, w: Tensor, g: Tensor, moments: State, step: int, group: Mapping[str, Any]
    ) -> None:
        """Update weights and moments of some rows in place.

        Args:
            w: Weights (U, D).
            g: Their gradients (U, D); must not be changed.
            moments: The state of these rows.
            step: The number of the step, from 1.
            group: The settings of the parameter group.
        """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every row that has a gradient.

        Args:
            closure: Evaluates the model anew and returns the loss, which is then returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        touched = TouchedRows()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, touched, group)
        return loss

    def _update(self, p: Tensor, touched: TouchedRows, group: Mapping[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["step"] = 0
            state.update(self.moments(p, group))
        state["step"] += 1
        moments = {name: value for name, value in state.items() if name != "step"}
        assert p.grad is not None
        if not p.grad.is_sparse:
            g = -p.grad if group["maximize"] else p.grad
            self.update(p, g, moments, state["step"], group)
            return
        rows, g = touched(p.grad)
        if len(rows):
            # gather, update, scatter: the rule works on U rows, as if they were the whole table
            old = {name: value.index_select(0, rows) for name, value in moments.items()}
            w = p.index_select(0, rows)
            self.update(w, -g if group["maximize"] else g, old, state["step"], group)
            p.index_copy_(0, rows, w)
            for name, value in old.items():
                moments[name].index_copy_(0, rows, value)


def row_state(p: Tensor, group: Mapping[str, Any], value: float = 0.0) -> Tensor:
    """Create a second moment of `p`: in its shape, or one value per row if `row_wise`."""
    shape = (len(p), *[1] * (p.dim() - 1)) if group["row_wise"] else p.shape
    return torch.full(shape, value, dtype=p.dtype, device=p.device)


def take_in_squares(
    moment: Tensor, g: Tensor, group: Mapping[str, Any], share: float = 1.0
) -> Tensor:
    """Add share · g² to a second moment in place; its mean over each row if `row_wise`."""
    if not group["row_wise"]:
        return moment.addcmul_(g, g, value=share)
    means = g.square().flatten(1).mean(dim=1) if g.dim() > 1 else g.square()
    return moment.add_(means.reshape(moment.shape), alpha=share)
