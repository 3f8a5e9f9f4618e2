"""Items near a user with annoy, Faiss and Milvus: builders, and indexes of utils.match."""

import argparse

import torch

from torch_rechub.serving import (
    AnnoyBuilder,
    BaseBuilder,
    FaissBuilder,
    MilvusBuilder,
    builder_factory,
)
from torch_rechub.serving.annoy import AnnoyIndexer
from torch_rechub.serving.base import BaseIndexer
from torch_rechub.serving.faiss import FaissIndexer
from torch_rechub.serving.milvus import MilvusIndexer
from torch_rechub.utils.match import Annoy, Faiss, Milvus

parser = argparse.ArgumentParser()
parser.add_argument("--dataset_path", default="./data")
# a server: host="localhost", port=19530; here a file takes its place
parser.add_argument("--milvus_uri", default="milvus.db")
args = parser.parse_args()

torch.manual_seed(2022)
users, items = torch.randn(3, 8), torch.randn(60, 8)
builders = {
    "annoy": (AnnoyBuilder(d=8, metric="angular", n_trees=10), AnnoyIndexer),
    "faiss": (FaissBuilder(index_type="Flat", metric="L2"), FaissIndexer),
    "milvus": (MilvusBuilder(d=8, metric="COSINE", uri=args.milvus_uri), MilvusIndexer),
}
assert isinstance(builder_factory("faiss", index_type="Flat", metric="IP"), FaissBuilder)
for name, (builder, indexer_class) in builders.items():
    assert isinstance(builder, BaseBuilder)
    with builder.from_embeddings(items) as indexer:
        assert isinstance(indexer, indexer_class)
        assert isinstance(indexer, BaseIndexer)
        ids, distances = indexer.query(items[:2], top_k=5)
        assert ids[:, 0].tolist() == [0, 1], name
        if name != "milvus":
            indexer.save(f"{name}.index")
    if name != "milvus":
        with builder.from_index_file(f"{name}.index") as indexer:
            print(name, indexer.query(users, top_k=5)[0].shape)

annoy = Annoy(metric="angular", n_trees=10, search_k=-1)
annoy.fit(items)
annoy.set_query_arguments(search_k=1000)
print("annoy", annoy.query(v=users[0], n=5))
faiss = Faiss(dim=8, index_type="ivf", nlist=4, metric="ip")
faiss.fit(items)
faiss.set_query_arguments(nprobe=4)
faiss.save_index("items.faiss")
again = Faiss(dim=8, index_type="ivf", nlist=4, metric="ip")
again.load_index("items.faiss")
again.set_query_arguments(nprobe=4)
assert again.query(users, 5) == faiss.query(users, 5)
milvus = Milvus(dim=8, uri=args.milvus_uri)
milvus.fit(items)
print("milvus", milvus.query(users, n=5)[0][0], milvus.process_result([[]]))
