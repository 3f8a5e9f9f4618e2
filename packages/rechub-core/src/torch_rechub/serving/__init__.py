"""Nearest-neighbor search over item embeddings, with libraries that extras install.

Exact search needs no extra: `ExactBuilder`.
"""

from typing import Any

from .annoy import AnnoyBuilder
from .base import BaseBuilder, BaseIndexer
from .exact import ExactBuilder
from .faiss import FaissBuilder
from .milvus import MilvusBuilder
from .usearch import UsearchBuilder

__all__ = [
    "AnnoyBuilder",
    "BaseBuilder",
    "BaseIndexer",
    "ExactBuilder",
    "FaissBuilder",
    "MilvusBuilder",
    "UsearchBuilder",
    "builder_factory",
]

_BUILDERS: dict[str, type[BaseBuilder]] = {
    "faiss": FaissBuilder,
    "milvus": MilvusBuilder,
    "annoy": AnnoyBuilder,
    "usearch": UsearchBuilder,
    "exact": ExactBuilder,
}


def builder_factory(model: str, **builder_config: Any) -> BaseBuilder:
    """Create a builder by name.

    Args:
        model: "faiss", "milvus", "annoy" (compiled on installation), "usearch" or "exact" (needs no
            extra).
        builder_config: Arguments of the builder.

    Raises:
        NotImplementedError: `model` is unknown.
        ImportError: The library is missing.

    Example:
        >>> type(builder_factory("faiss", index_type="HNSW")).__name__
        'FaissBuilder'
    """
    if model not in _BUILDERS:
        raise NotImplementedError(f"model must be one of {list(_BUILDERS)}, got {model!r}")
    return _BUILDERS[model](**builder_config)
