"""Which feature uses which table, and one table seen inside its stack."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from ..features import DenseFeature, Feature, IdFeature


@dataclass(frozen=True)
class Slice:
    """Where one feature's table lies: rows `start` to `start + rows` of the matrix `stack`."""

    stack: str
    start: int
    rows: int


class TableView:
    """One feature's table inside its stack, read like an `nn.Embedding`.

    Attributes:
        weight: The rows of this feature, shape (num_embeddings, embedding_dim): a view, so writing
            to it under `torch.no_grad()` changes the model.
    """

    def __init__(self, weight: Tensor, padding_idx: int | None) -> None:
        self.weight = weight
        self.padding_idx = padding_idx
        self.num_embeddings, self.embedding_dim = weight.shape

    def __call__(self, ids: Tensor) -> Tensor:
        """The rows of `ids`: (...) to (..., embedding_dim)."""
        return F.embedding(ids.long(), self.weight, self.padding_idx)


class Tables(Mapping[str, TableView]):
    """The tables of a layer by the name of the feature that owns each."""

    def __init__(
        self,
        slices: Mapping[str, Slice],
        table: Callable[[str], Tensor],
        owners: Mapping[str, IdFeature],
    ) -> None:
        self._slices, self._table, self._owners = slices, table, owners

    def __getitem__(self, name: str) -> TableView:
        if name not in self._slices:
            raise KeyError(
                f"no feature {name!r} has a table here; those that do: {', '.join(self)}"
            )
        return TableView(self._table(name), self._owners[name].padding_idx)

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)


def unique_features(features: Sequence[Feature]) -> list[Feature]:
    """Each feature once, in order; two different ones of one name are refused."""
    found: dict[str, Feature] = {}
    for feature in features:
        if not isinstance(feature, Feature):
            raise TypeError(
                f"features must be SparseFeature, SequenceFeature or DenseFeature, got {feature!r}"
            )
        known = found.setdefault(feature.name, feature)
        if known is not feature and _table_of(known) != _table_of(feature):
            raise ValueError(
                f"two different features are called {feature.name!r}: {known} and {feature}"
            )
    return list(found.values())


def _table_of(feature: Feature) -> tuple[Any, ...]:
    """What decides how the table of a feature is looked up."""
    if isinstance(feature, DenseFeature):
        return (DenseFeature, feature.embed_dim)
    return (type(feature), feature.vocab_size, feature.embed_dim, feature.shared_with)


def find_owners(features: Sequence[Feature]) -> dict[str, IdFeature]:
    """For each feature with ids, the feature whose table it uses."""
    by_name = {f.name: f for f in features if not isinstance(f, DenseFeature)}
    owners: dict[str, IdFeature] = {}
    for feature in by_name.values():
        owner, seen = feature, {feature.name}
        while owner.shared_with is not None:
            name = owner.shared_with
            if name not in by_name or name in seen:
                reason = (
                    "itself shared with it"
                    if name in seen
                    else f"not among the features: {', '.join(by_name)}"
                )
                raise ValueError(
                    f"feature {owner.name!r} is shared with {name!r}, which is {reason}"
                )
            owner = by_name[name]
            seen.add(name)
        if feature.embed_dim != owner.embed_dim:
            raise ValueError(
                f"feature {feature.name!r} has embed_dim={feature.embed_dim}, but shares the table "
                f"of {owner.name!r}, which has embed_dim={owner.embed_dim}"
            )
        owners[feature.name] = owner
    return owners
