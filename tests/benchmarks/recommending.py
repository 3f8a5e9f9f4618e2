"""Times `recommend` of a bundle, from raw users to raw items, against a search by Faiss alone.

python tests/benchmarks/recommending.py --users 100000 --items 100000 --k 100

Matrix factorization of 64 dimensions, 50 seen items a user in a column of lists. `recommend` reads
the lists, looks up ids and vectors, searches and returns a frame of raw ids. Faiss starts from the
vectors and the rows of seen items, and ends with rows of items and scores, as in `retrieval.py`.
Both run in turns, on the same threads. The answer is one JSON line: seconds, and the ratio of each
round, Faiss to ours, so that more than 1 is faster.
"""

import json
import statistics
import tempfile
import time

import faiss
import numpy as np
import pandas as pd
import torch

from retrieval import DIMENSIONS, SEEN, prepare, search_by_faiss
from torch_rechub.basic.features import SparseFeature
from torch_rechub.bundles import load_bundle
from torch_rechub.data.preprocessing import Categorical, Preprocessor
from torch_rechub.metrics.retrieval import top_k
from torch_rechub.models.matching import BPRMF
from torch_rechub.trainers import MatchTrainer


def make_bundle(n_users: int, n_items: int, folder: str):
    """The bundle of a model with random weights; its users and items are texts."""
    torch.manual_seed(0)
    raw = {
        "user": [f"u{i:06}" for i in range(n_users)],
        "item": [f"p{i:06}" for i in range(n_items)],
    }
    log = {
        name: np.resize(np.array(values, object), max(n_users, n_items))
        for name, values in raw.items()
    }
    preprocessor = Preprocessor([Categorical("user"), Categorical("item")]).fit(log)
    sizes = [feature.vocab_size for feature in preprocessor.features(embed_dim=1)]
    features = [
        SparseFeature(name, size, DIMENSIONS - 1)
        for name, size in zip(("user", "item", "negative"), (*sizes, sizes[1]), strict=True)
    ]
    model = BPRMF(*features)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    trainer = MatchTrainer(model, mode=1, model_path=folder)
    path = trainer.save(folder + "/bundle", preprocessor=preprocessor, item="item", user="user")
    return load_bundle(path), raw


def main() -> None:
    """Measure and print."""
    options = prepare(__doc__)
    bundle, raw = make_bundle(options.users, options.items, tempfile.mkdtemp())
    users = torch.from_numpy(bundle.embed(users={"user": raw["user"]}))
    items = torch.from_numpy(bundle.embed(items=raw["item"]))
    # half of the seen items are among the best of the user, as in a trained model
    rng = np.random.default_rng(0)
    seen = rng.integers(0, options.items, (options.users, SEEN))
    seen[:, : SEEN // 2] = top_k(users, items, SEEN // 2)[1].numpy()
    seen.sort(axis=1)
    names = np.array(raw["item"], dtype=object)
    people = pd.DataFrame({"user": raw["user"], "hist_item": names[seen].tolist()})
    index = faiss.IndexFlatIP(DIMENSIONS)
    index.add(items.numpy())
    ours, theirs = [], []
    for _ in range(options.rounds):
        started = time.perf_counter()
        found = bundle.recommend(people, options.k)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        scores, best = search_by_faiss(index, users, seen, options.k)
        theirs.append(time.perf_counter() - started)
    assert len(found) == options.users * options.k
    np.testing.assert_allclose(found["score"].to_numpy().reshape(scores.shape), scores, rtol=1e-3)
    equal = float((found["item"].to_numpy() == names[best.ravel()]).mean())
    result = {
        "users": options.users, "items": options.items, "k": options.k,
        "threads": options.threads, "seconds": statistics.median(ours),
        "faiss_seconds": statistics.median(theirs),
        "ratios": [round(b / a, 3) for a, b in zip(ours, theirs, strict=True)], "equal": equal,
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
