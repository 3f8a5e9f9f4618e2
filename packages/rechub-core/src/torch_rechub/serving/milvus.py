"""Collections of a Milvus server or a Milvus Lite file, with pymilvus."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from torch import Tensor

from .._extras import require
from ..types import FilePath
from .base import BaseBuilder, Vectors, check_choice, check_positive, items_to_index
from .base import BaseIndexer as BaseIndexer  # scripts for 0.9 import it from here
from .item_ids import Found, ItemIds, Rows
from .rows import Nearest, RowsIndexer, filled

TYPES = ("FLAT", "HNSW", "IVF_FLAT")
METRICS = ("COSINE", "IP", "L2")
_DELETED_A_CALL = 10_000
_MOST = 16_384  # a server returns no more items for a query
_NUMBERS_A_CALL = 2**20  # a server accepts messages of up to 64 MiB


class Collection:
    """A collection of embeddings (N, D) whose items are numbered from 0.

    Args:
        client: A `pymilvus.MilvusClient`.
        name: Name of the collection.
        d: Width D.
        metric: "COSINE", "IP" or "L2".
    """

    def __init__(self, client: Any, name: str, d: int, metric: str) -> None:
        self.client, self.name, self.d, self.metric = client, name, d, metric

    def fill(self, items: Vectors, index_type: str, params: Mapping[str, int]) -> None:
        """Create the collection with items and index; an existing one of the name is replaced."""
        pymilvus = require("pymilvus", "Collection", "milvus")
        if self.client.has_collection(self.name):
            self.client.drop_collection(self.name)
        schema = pymilvus.MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", pymilvus.DataType.INT64, is_primary=True)
        schema.add_field("embedding", pymilvus.DataType.FLOAT_VECTOR, dim=self.d)
        index = self.client.prepare_index_params()
        kind = {"index_type": index_type, "metric_type": self.metric}
        index.add_index("embedding", **kind, params=dict(params))
        self.client.create_collection(
            self.name, schema=schema, index_params=index, consistency_level="Strong"
        )
        self.insert(items, 0)

    def insert(self, items: Vectors, first: int) -> None:
        """Insert items, numbered from `first`."""
        rows = max(1, _NUMBERS_A_CALL // self.d)
        for start in range(0, len(items), rows):
            block = enumerate(items[start : start + rows].tolist(), first + start)
            self.client.insert(self.name, [{"id": i, "embedding": v} for i, v in block])

    def delete(self, numbers: list[int]) -> None:
        """Delete items by number."""
        for start in range(0, len(numbers), _DELETED_A_CALL):
            self.client.delete(self.name, ids=numbers[start : start + _DELETED_A_CALL])

    def search(self, queries: Vectors, n: int, params: Mapping[str, int]) -> Any:
        """Return the hits of each query, nearest first: mappings with `id` and `distance`."""
        asked = {"metric_type": self.metric, "params": dict(params)}
        return self.client.search(self.name, queries.tolist(), limit=n, search_params=asked)

    def drop(self) -> None:
        """Drop the collection."""
        self.client.drop_collection(self.name)


class MilvusIndexer(RowsIndexer):
    """A Milvus collection during its lifetime, created by `MilvusBuilder`.

    Items are removed from the collection itself.

    Args:
        collection: A `Collection`.
        query_params: Options of each query, such as {"nprobe": 16}.
        items: The ids of its rows; None means that there are no items yet.
    """

    def __init__(
        self,
        collection: Collection,
        query_params: Mapping[str, int],
        *,
        items: ItemIds | None = None,
    ) -> None:
        similarity = collection.metric != "L2"
        items = ItemIds(0) if items is None else items
        super().__init__(collection.d, items, similarity=similarity)
        self.collection, self.query_params = collection, dict(query_params)

    def query(self, embeddings: Any, top_k: int, *, exclude: Any = None) -> tuple[Found, Tensor]:
        """See `BaseIndexer`. Larger distances are nearer, except for "L2", which is squared.

        Raises:
            ValueError: Together with excluded items, more than 16,384 are needed, the most that
                Milvus finds for a query.
        """
        return super().query(embeddings, top_k, exclude=exclude)

    def save(self, file_path: FilePath) -> NoReturn:
        """Raise NotImplementedError: Milvus stores its collections itself."""
        raise NotImplementedError("Milvus keeps its collections itself: there is no index file")

    def _search(self, vectors: Vectors, k: int) -> Nearest:
        if k > _MOST:
            raise ValueError(
                f"Milvus finds {_MOST} items at most for a query, {k} are needed: exclude fewer "
                "items, or lower top_k"
            )
        found = [lists_of(hits) for hits in self.collection.search(vectors, k, self.query_params)]
        return filled(found, k, self.similarity)

    def _hidden(self) -> int:
        return 0

    def _tidy(self, removed: Rows) -> None:
        self.collection.delete(removed.tolist())

    def _append(self, vectors: Vectors) -> None:
        self.collection.insert(vectors, self.items.n_rows)

    def _vectors(self, rows: Rows) -> NoReturn:
        raise NotImplementedError("Milvus keeps its embeddings")

    def _replace(self, vectors: Vectors) -> NoReturn:
        raise NotImplementedError("Milvus deletes items itself")


class MilvusBuilder(BaseBuilder):
    """Builds collections, which are dropped at the end of the `with` statement.

    Tested against the files of Milvus Lite, not against a server.

    Args:
        d: Width D of the embeddings.
        index_type: "FLAT", exact; "HNSW", a graph; or "IVF_FLAT", inverted lists.
        metric: "COSINE", "IP", the inner product, or "L2", the squared distance.
        m: HNSW: number of neighbors of an item in the graph.
        nlist: IVF_FLAT: number of lists.
        ef: HNSW: size of the candidate list of a query; None means the server's default.
        nprobe: IVF_FLAT: number of lists that a query inspects; None means the server's default.
        name: Prefix of the collection's name.
        host: Host of the server.
        port: Port of the server.
        uri: Instead of host and port: a server's address, or a file "….db" for Milvus Lite
            (`pip install milvus-lite`), which needs no server.

    Raises:
        ImportError: pymilvus is missing.
        ValueError: The type or the metric is unknown, or a count is below 1.

    Example:
        >>> import tempfile
        >>> builder = MilvusBuilder(d=2, uri=tempfile.mkdtemp() + "/items.db")
        >>> with builder.from_embeddings([[1.0, 0.0], [0.0, 1.0]]) as index:
        ...     index.query([[0.1, 0.9]], top_k=1)[0]
        tensor([[1]])

    Reference:
        Wang et al., Milvus: A Purpose-Built Vector Data Management System, SIGMOD 2021.
    """

    def __init__(
        self,
        d: int,
        index_type: str = "FLAT",
        metric: str = "COSINE",
        *,
        m: int = 30,
        nlist: int = 128,
        ef: int | None = None,
        nprobe: int | None = None,
        name: str = "rechub",
        host: str = "localhost",
        port: int | str = 19530,
        uri: str | None = None,
    ) -> None:
        require("pymilvus", "MilvusBuilder", "milvus")
        check_positive(d=d, m=m, nlist=nlist, ef=ef, nprobe=nprobe)
        self.d, self.name, self.uri = d, name, address(host, port, uri)
        self.index_type = check_choice("index_type", index_type, TYPES)
        self.metric = check_choice("metric", metric, METRICS)
        built = {"HNSW": {"M": m, "efConstruction": max(200, 2 * m)}, "IVF_FLAT": {"nlist": nlist}}
        asked = {"HNSW": {"ef": ef}, "IVF_FLAT": {"nprobe": nprobe}}
        self.index_params = built.get(index_type, {})
        self.query_params = {
            name: value for name, value in asked.get(index_type, {}).items() if value is not None
        }

    @contextmanager
    def from_embeddings(self, embeddings: Any, *, ids: Any = None) -> Iterator[MilvusIndexer]:
        """See `BaseBuilder`.

        Raises:
            MilvusException: The server does not answer.
        """
        items = items_to_index(embeddings, self.d)
        known = ItemIds(len(items), ids)
        client = connect(self.uri)
        try:
            unique = f"{self.name}_{uuid.uuid4().hex}"
            collection = Collection(client, unique, self.d, self.metric)
            try:
                collection.fill(items, self.index_type, self.index_params)
                yield MilvusIndexer(collection, self.query_params, items=known)
            finally:
                collection.drop()
        finally:
            client.close()

    def from_index_file(self, index_file: FilePath) -> NoReturn:
        """Raise NotImplementedError: Milvus stores its collections itself."""
        raise NotImplementedError("Milvus keeps its collections itself: there is no index file")


def connect(uri: str) -> Any:
    """Connect to a server or a Milvus Lite file."""
    return require("pymilvus", "connect", "milvus").MilvusClient(uri=uri)


def address(host: str, port: int | str, uri: str | None) -> str:
    """The address of the collections."""
    return f"http://{host}:{port}" if uri is None else uri


def lists_of(hits: Any) -> tuple[list[int], list[float]]:
    """Return the ids and distances of the hits of one query."""
    return [hit["id"] for hit in hits], [hit["distance"] for hit in hits]
