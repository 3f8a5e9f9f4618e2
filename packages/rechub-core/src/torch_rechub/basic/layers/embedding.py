"""Embedding tables: all tables of one width stacked into one matrix, looked up in one gather."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..features import DenseFeature, Feature, IdFeature, SequenceFeature, SparseFeature
from .inputs import check_ids, column
from .lookup import is_any_of, look_up, spread
from .pooling import POOLING
from .table_view import Tables
from .tables import Owners, Slice, differ, unique_features


class EmbeddingLayer(nn.Module):
    """Looks up and pools the embeddings of features, and concatenates dense features.

    The tables of all features of one width are rows of one matrix, so a batch needs one gather,
    however many fields it has. The state dict has one entry a table,
    ``embed_dict.<feature>.weight``, whatever the stacking.

    Args:
        features: The features of a model. A feature with `shared_with` uses the table of the
            feature named there. Several features may describe one column, for instance a dense and
            a sparse feature, or sequence features that differ in pooling.

    Shape:
        ``layer(x, features, squeeze_dim)`` with x[name] of shape (B,) for sparse, (B, L) for
        sequence and (B,) or (B, d) for dense features gives

        * (B, F, D) for F sparse or pooled sequence features of one width,
        * (B, F, L, D) for F sequence features with pooling "concat",
        * with ``squeeze_dim=True``, (B, Σ widths): the embeddings in the order of `features`, then
          the dense features; widths may differ.

        `features` may also hold other features whose tables are in this layer.

    Raises:
        ValueError: Features contradict each other, or the wanted shape does not exist.
        KeyError: x lacks a column.
        IndexError: An id is outside its vocabulary.

    Example:
        >>> features = [SparseFeature(name, 20, embed_dim=4) for name in ("user", "item")]
        >>> layer = EmbeddingLayer(features)
        >>> x = {"user": torch.tensor([1, 2]), "item": torch.tensor([3, 19])}
        >>> layer(x, features).shape
        torch.Size([2, 2, 4])
        >>> layer.embed_dict["item"].weight.shape
        torch.Size([20, 4])
    """

    _typed: Tensor

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.features = unique_features(features)
        self._owners = Owners(self.features)
        self.slices: dict[str, Slice] = {}  # by the name of the feature that owns the table
        self._cached: dict[Any, tuple[Tensor, Tensor]] = {}
        self._sparse: set[str] = set()
        self._stack_tables()
        # follows `double()` and `half()` also where the layer has no table to read the dtype from
        self.register_buffer("_typed", torch.empty(0), persistent=False)

    def _stack_tables(self) -> None:
        tables: dict[str, list[Tensor]] = {}
        for name, owner in self._owners.tables.items():
            table = owner.get_embedding_layer().weight
            stack = f"stack_{table.shape[1]}" + ("" if table.requires_grad else "_frozen")
            rows = tables.setdefault(stack, [])
            self.slices[name] = Slice(stack, sum(map(len, rows)), len(table))
            rows.append(table.detach())
        for stack, rows in tables.items():
            weight = torch.cat(rows) if len(rows) > 1 else rows[0]
            rows.clear()
            trainable = not stack.endswith("_frozen")
            self.register_parameter(stack, nn.Parameter(weight, requires_grad=trainable))

    @property
    def embed_dict(self) -> Tables:
        """The tables, by the name of the feature that owns each."""
        return Tables(self, {n: f.padding_idx for n, f in self._owners.tables.items()})

    @property
    def dtype(self) -> torch.dtype:
        """The floating dtype of the tables, to which dense values are cast."""
        return self._typed.dtype

    def slice_of(self, feature: str | IdFeature) -> Slice:
        """The slice of the table that a feature, or the features of a name, use.

        Raises:
            KeyError: There is no table for it.
            ValueError: It is of another size than its table.
        """
        owners = self._owners
        owner = owners.named(feature) if isinstance(feature, str) else owners[feature]
        return self.slices[owner.name]

    def table(self, name: str) -> Tensor:
        """The rows that feature `name` uses, shape (vocab_size, embed_dim): a view of the stack."""
        where = self.slice_of(name)
        return self.get_parameter(where.stack).narrow(0, where.start, where.rows)

    def use_sparse_gradients(self, stacks: Collection[str]) -> None:
        """Give these stacks sparse gradients, with the rows looked up only; the others dense ones.

        They then need an optimizer that supports sparse gradients; see `torch_rechub.optim`.

        Args:
            stacks: Names of parameters of this layer.
        """
        self._sparse = set(stacks)

    def forget_slices(self) -> None:
        """Clear the cached positions of tables, after a table has moved."""
        self._cached.clear()

    # Looking up

    def forward(
        self, x: Mapping[str, Tensor], features: Sequence[Feature], squeeze_dim: bool = False
    ) -> Tensor:
        """Embeddings and dense values of `features`; see the class for the shapes."""
        dense = [f for f in features if isinstance(f, DenseFeature)]
        ids = [f for f in features if not isinstance(f, DenseFeature)]
        if squeeze_dim:
            parts = [self.flat(x, ids)] if ids else []
            parts += self.dense(x, dense)
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if dense:
            raise ValueError(
                f"dense features ({', '.join(f.name for f in dense)}) have no place in a "
                "(batch, fields, width) tensor: use squeeze_dim=True, or look them up separately"
            )
        return self.fields(x, ids)

    def flat(self, x: Mapping[str, Tensor], features: Sequence[IdFeature]) -> Tensor:
        """Concatenated embeddings: (B, Σ widths)."""
        if self._is_one_gather(features):
            return self._gather(x, features).flatten(1)
        return torch.cat([e.flatten(1) for e in self.lookup(x, features)], dim=1)

    def fields(self, x: Mapping[str, Tensor], features: Sequence[IdFeature]) -> Tensor:
        """Stacked embeddings: (B, F, D), or (B, F, L, D) with pooling "concat"."""
        if self._is_one_gather(features):
            return self._gather(x, features)
        found = self.lookup(x, features)
        if len({e.shape[1:] for e in found}) != 1:
            shapes = [f"{f.name} {tuple(e.shape[1:])}" for f, e in zip(features, found)]
            raise ValueError(
                f"embeddings of several shapes do not stack: {', '.join(shapes) or 'no feature'}. "
                "Give the features one embed_dim and one kind of pooling, or use squeeze_dim=True"
            )
        return torch.stack(found, dim=1)

    def fields_and_flat(
        self, x: Mapping[str, Tensor], fields: Sequence[IdFeature], flat: Sequence[Feature]
    ) -> tuple[Tensor, Tensor]:
        """`fields` (B, F, D) and `flat` (B, Σ widths), for models of two parts.

        Features that occur in both are looked up once.
        """
        ids = [f for f in flat if not isinstance(f, DenseFeature)]
        if len(ids) != len(fields) or any(map(differ, ids, fields)):
            return self.fields(x, fields), self(x, flat, squeeze_dim=True)
        found = self.fields(x, fields)
        dense = self.dense(x, [f for f in flat if isinstance(f, DenseFeature)])
        return found, torch.cat([found.flatten(1), *dense], dim=1)

    def dense(self, x: Mapping[str, Tensor], features: Sequence[DenseFeature]) -> list[Tensor]:
        """The values of each feature, (B, d), cast to the dtype of the layer."""
        return [column(x, f).to(self._typed.dtype) for f in features]

    def lookup(self, x: Mapping[str, Tensor], features: Sequence[IdFeature]) -> list[Tensor]:
        """The embedding of each feature: (B, D), or (B, L, D) with pooling "concat"."""
        groups: dict[tuple[str, bool], list[int]] = {}
        for position, feature in enumerate(features):
            key = (self.slice_of(feature).stack, isinstance(feature, SparseFeature))
            groups.setdefault(key, []).append(position)
        found: dict[int, Tensor] = {}
        for (_, sparse), positions in groups.items():
            group = [features[p] for p in positions]
            rows = self._gather(x, group)
            parts = rows.unbind(1) if sparse else self._pool(x, group, rows)
            found.update(zip(positions, parts, strict=True))
        return [found[position] for position in range(len(features))]

    def _is_one_gather(self, features: Sequence[IdFeature]) -> bool:
        if not all(isinstance(f, SparseFeature) for f in features):
            return False
        return len({self.slices[self._owners[f].name].stack for f in features}) == 1

    def _gather(self, x: Mapping[str, Tensor], features: Sequence[IdFeature]) -> Tensor:
        """Rows of features of one stack and kind: (B, F, D) sparse, (B, ΣL, D) sequences."""
        columns = [column(x, f) for f in features]
        sparse = columns[0].dim() == 1
        ids = torch.stack(columns, dim=1) if sparse else torch.cat(columns, dim=1)
        owners = [self._owners[f] for f in features]
        sizes, starts = self._sizes_and_starts(owners, ids.device)
        if not sparse:
            widths = [c.shape[1] for c in columns]
            sizes, starts = spread(sizes, widths), spread(starts, widths)
        check_ids(ids, sizes, features, columns)
        stack = self.slices[owners[0].name].stack
        weight = self.get_parameter(stack)
        rows = look_up(weight, ids + starts, sparse=stack in self._sparse)
        padding = [{f.padding_idx, o.padding_idx} - {None} for f, o in zip(features, owners)]
        if any(padding):
            untrained = is_any_of(columns, padding).unsqueeze(-1)
            rows = torch.where(untrained, rows.detach(), rows)
        return rows

    def _sizes_and_starts(
        self, owners: Sequence[IdFeature], device: torch.device
    ) -> tuple[Tensor, Tensor]:
        key = (*(owner.name for owner in owners), device)
        if key not in self._cached:
            slices = [self.slices[owner.name] for owner in owners]
            sizes = torch.tensor([s.rows for s in slices], device=device)
            starts = torch.tensor([s.start for s in slices], device=device)
            self._cached[key] = (sizes, starts)
        return self._cached[key]

    def _pool(
        self, x: Mapping[str, Tensor], features: Sequence[IdFeature], rows: Tensor
    ) -> Iterator[Tensor]:
        widths = [x[f.name].shape[1] for f in features]
        for feature, part in zip(features, rows.split(widths, dim=1), strict=True):
            assert isinstance(feature, SequenceFeature)
            valid = (x[feature.name] != feature.padding_id).unsqueeze(1)
            yield POOLING[feature.pooling](part, valid)

    # One state-dict entry a table, named after its feature

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        for name in self.slices:
            table = self.table(name)
            destination[f"{prefix}embed_dict.{name}.weight"] = (
                table if keep_vars else table.detach()
            )

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        keys = {f"{prefix}embed_dict.{name}.weight": name for name in self.slices}
        for key, name in keys.items():
            table = self.table(name)
            if key not in state_dict:
                missing_keys.append(key)
            elif state_dict[key].shape != table.shape:
                error_msgs.append(
                    f"{key}: the table has shape {tuple(table.shape)}, "
                    f"the checkpoint {tuple(state_dict[key].shape)}"
                )
            else:
                with torch.no_grad():
                    table.copy_(state_dict[key])
        unexpected_keys.extend(k for k in state_dict if k.startswith(prefix) and k not in keys)


def input_columns(model: nn.Module) -> dict[str, tuple[Feature, int | None]]:
    """The columns that a model looks up: name to the feature and, for ids, the vocabulary size.

    Where several features share a column, a feature of ids takes precedence over a dense one. Where
    several tables are indexed by the column, the smallest vocabulary counts.
    """
    columns: dict[str, tuple[Feature, int | None]] = {}
    for layer in model.modules():
        if isinstance(layer, EmbeddingLayer):
            for f in layer.features:
                if isinstance(f, DenseFeature):
                    columns.setdefault(f.name, (f, None))
                    continue
                rows = layer.slice_of(f).rows
                known = columns.get(f.name, (f, None))[1]
                columns[f.name] = (f, rows if known is None else min(rows, known))
    return columns
