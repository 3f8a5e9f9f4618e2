"""Every retrieval model over one small set of features, and a batch of their columns."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from torch_rechub.basic.features import DenseFeature, RandomNormal, SequenceFeature, SparseFeature
from torch_rechub.models import matching
from torch_rechub.models.matching import dssm_senet as senet

USERS, ITEMS, KINDS, D = 12, 20, 5, 8
PARAMS = {"dims": [16, D], "dropout": 0.0, "activation": "prelu"}


def history(pooling):
    return SequenceFeature("history", ITEMS, D, pooling, shared_with="item")


def features():
    """By name; `neg` and `negatives` have no table of their own."""
    sequence = {"pooling": "concat", "shared_with": "item"}
    return {
        "user": SparseFeature("user", USERS, D),
        "age": DenseFeature("age"),
        "item": SparseFeature("item", ITEMS, D),
        "kind": SparseFeature("kind", KINDS, 3),
        "neg": SparseFeature("neg", ITEMS, D, shared_with="item"),
        "neg_kind": SparseFeature("neg_kind", KINDS, 3),
        "q": DenseFeature("q"),
        "negatives": SequenceFeature("negatives", ITEMS, D, **sequence),
        "pooled": history("mean"),
        "steps": history("concat"),
    }


def bpr_mf():
    names = (("user", USERS), ("item", ITEMS), ("neg", ITEMS))
    return matching.BPRMF(*(SparseFeature(name, size, D - 1) for name, size in names))


def light_gcn(**kwargs):
    """The interactions of `planted` as a graph, without user 11 and the items 0, 17 to 19."""
    f = features()
    pairs = [(user, 4 * n + user % 4 + 1) for user in range(USERS - 1) for n in range(4)]
    return matching.LightGCN(f["user"], f["item"], f["neg"], tuple(zip(*pairs)), **kwargs)


def neumf(**kwargs):
    f = features()
    return matching.NeuMF(f["user"], f["item"], {"dims": [16, 8], "activation": "prelu"}, **kwargs)


def dssm(**kwargs):
    f = features()
    users, items = [f["user"], f["age"], f["pooled"]], [f["item"], f["kind"]]
    return matching.DSSM(users, items, PARAMS, PARAMS, **kwargs)


def facebook(**kwargs):
    f = features()
    users, items = [f["user"], f["age"], f["pooled"]], [f["item"], f["kind"]]
    negatives = [f["neg"], f["neg_kind"]]
    return matching.FaceBookDSSM(users, items, negatives, PARAMS, PARAMS, **kwargs)


def youtube(**kwargs):
    f = features()
    users = [f["user"], f["age"], f["pooled"]]
    return matching.YoutubeDNN(users, [f["item"]], [f["negatives"]], PARAMS, **kwargs)


def gru4rec(num_layers=2, **kwargs):
    f = features()
    params = {**PARAMS, "num_layers": num_layers}
    users = [f["user"], f["age"]]
    return matching.GRU4Rec(users, [f["steps"]], [f["item"]], [f["negatives"]], params, **kwargs)


def sasrec(**kwargs):
    sequences = [
        SequenceFeature(name, ITEMS, D, "concat", shared_with=owner)
        for name, owner in (("history", None), ("next", "history"), ("other", "history"))
    ]
    return matching.SASRec(sequences, **{"max_len": 6, "dropout_rate": 0.0, **kwargs})


def dssm_senet(**kwargs):
    f = features()
    users, items = [f["user"], f["age"], f["pooled"]], [f["item"], f["kind"]]
    return senet.DSSM(users, items, PARAMS, PARAMS, **kwargs)


def youtube_sbc(batch_size=8, **kwargs):
    f = features()
    users, items = [f["user"], f["age"], f["pooled"]], [f["item"], f["kind"]]
    return matching.YoutubeSBC(users, items, [f["q"]], PARAMS, PARAMS, batch_size, **kwargs)


def mind(max_length=6, **kwargs):
    f = features()
    users = [f["user"], f["age"]]
    columns = (users, [f["steps"]], [f["item"]], [f["negatives"]])
    return matching.MIND(*columns, max_length, **kwargs)


def comirec_dr(max_length=6, **kwargs):
    f = features()
    users = [f["user"], f["age"]]
    columns = (users, [f["steps"]], [f["item"]], [f["negatives"]])
    return matching.ComirecDR(*columns, max_length, **kwargs)


def comirec_sa(max_length=6, **kwargs):
    f = features()
    users = [f["user"], f["age"]]
    columns = (users, [f["steps"]], [f["item"]], [f["negatives"]])
    return matching.ComirecSA(*columns, max_length=max_length, **kwargs)


def sine(**kwargs):
    columns = (["history"], ["item"], ["negatives"])
    arguments = {"num_concept": 5, "num_intention": 3, "seq_max_len": 6, **kwargs}
    return matching.SINE(*columns, ITEMS, D, 16, **arguments)


def session_features(item):
    history = SequenceFeature("history", ITEMS, D, "concat")
    return history, SparseFeature("item", ITEMS, D) if item else None


def bert4rec(item=True, **kwargs):
    # of a width that no two heads divide, and small: large embeddings keep the test short
    history = SequenceFeature("history", ITEMS, D - 1, "concat", initializer=RandomNormal(0, 1.0))
    item = SparseFeature("item", ITEMS, D - 1) if item else None
    sizes = {"max_len": 6, "num_blocks": 1, "num_heads": 1}
    arguments = {**sizes, "dropout_rate": 0.0, "mask_rate": 0.4, **kwargs}
    return matching.BERT4Rec(history, item_feature=item, **arguments)


def narm(item=True, **kwargs):
    history, item = session_features(item)
    arguments = {"emb_dropout_p": 0.0, "session_rep_dropout_p": 0.0, **kwargs}
    return matching.NARM(history, 6, item_feature=item, **arguments)


def stamp(item=True, **kwargs):
    history, item = session_features(item)
    return matching.STAMP(history, 0.3, 0.3, item_feature=item, **kwargs)


class Row(NamedTuple):
    """The properties of a model that tests need.

    Attributes:
        make: Creates it.
        mode: Of `MatchTrainer`, which trains it.
        cosine: Whether scores are cosines over a temperature.
        interests: Number of vectors per user; 0 means one vector without a dimension for interests.
        trained: Creates it for this mode, if `make` creates the model for tests of towers.
        y_is_item: Whether the label is the item's id.
        n_epoch: Number of epochs within which it learns.
        towers: Whether it has towers.
        best: The best possible AUC on the data of `planted`, if not 1.
    """

    make: Callable[..., Any]
    mode: int
    cosine: bool = False
    interests: int = 0
    trained: Callable[..., Any] | None = None
    y_is_item: bool = False
    n_epoch: int = 6
    towers: bool = True
    best: float = 1.0


BY_ID = {"y_is_item": True, "best": 0.92}  # 3 of the 19 other items are liked too

# A new model joins by a row here, under its name; one that is not exported, under its path.
MODELS = {
    "BERT4Rec": Row(bert4rec, 2, trained=lambda: bert4rec(item=False), n_epoch=10, **BY_ID),
    "BPRMF": Row(bpr_mf, 1),
    "ComirecDR": Row(comirec_dr, 2, cosine=True, interests=4, n_epoch=20),
    "ComirecSA": Row(comirec_sa, 2, cosine=True, interests=4),
    "DSSM": Row(dssm, 0, cosine=True),
    "FaceBookDSSM": Row(facebook, 1, cosine=True),
    "GRU4Rec": Row(gru4rec, 2, cosine=True, n_epoch=12),
    "MIND": Row(mind, 2, cosine=True, interests=4, n_epoch=20),
    "LightGCN": Row(light_gcn, 1),
    "NARM": Row(narm, 2, trained=lambda: narm(item=False), **BY_ID),
    "NeuMF": Row(neumf, 0, towers=False),
    "SASRec": Row(sasrec, 1),
    "SINE": Row(sine, 2),
    "STAMP": Row(stamp, 2, trained=lambda: stamp(item=False), **BY_ID),
    "YoutubeDNN": Row(youtube, 2, cosine=True, n_epoch=16),
    "YoutubeSBC": Row(youtube_sbc, 2, cosine=True, best=0.9),  # 3 of 16 in other rows are liked
    "dssm_senet.DSSM": Row(dssm_senet, 0, cosine=True),
}


def inputs(n, length=6, empty=True):
    """A batch of every column, histories of 1 to `length` items padded on the right; one empty."""
    lengths = torch.randint(1, length + 1, (n, 1))
    if empty and n > 1:
        lengths[0] = 0
    valid = torch.arange(length) < lengths
    x = {name: torch.randint(1, ITEMS, (n, length)) * valid for name in ("history", "next")}
    return {
        **x,
        "other": torch.randint(1, ITEMS, (n, length)) * valid,
        "user": torch.randint(0, USERS, (n,)),
        "age": torch.randn(n),
        "item": torch.arange(n) % (ITEMS - 1) + 1,
        "kind": torch.randint(0, KINDS, (n,)),
        "neg": torch.randint(1, ITEMS, (n,)),
        "neg_kind": torch.randint(0, KINDS, (n,)),
        "q": torch.rand(n) + 0.1,
        "negatives": torch.randint(1, ITEMS, (n, 3)),
    }
