"""Retrieval scripts as they were written for torch-rechub 0.9 run unchanged."""

import runpy

import pytest
import torch

HEAD = """
import random

import numpy as np
import pandas as pd
import torch
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.matching import DSSM, GRU4Rec, FaceBookDSSM, SASRec, YoutubeDNN
from torch_rechub.trainers import MatchTrainer
from torch_rechub.utils.data import MatchDataGenerator, df_to_dict
from torch_rechub.utils.match import gen_model_input, generate_seq_feature_match

random.seed(2022)  # of the order of samples
np.random.seed(2022)  # of their negatives
torch.manual_seed(2022)
rng = np.random.default_rng(2022)
rows = []
for user in range(1, 61):  # each walks through the movies of one of four genres
    for step in range(8):
        movie = int(rng.integers(0, 5)) * 4 + user % 4 + 1
        rows.append((user, movie, movie % 4 + 1, user % 2 + 1, 1000 * user + step))
data = pd.DataFrame(rows, columns=["user_id", "movie_id", "cate_id", "gender", "timestamp"])
max_id = {c: data[c].max() + 1 for c in data.columns}
user_profile = data[["user_id", "gender"]].drop_duplicates("user_id")
item_profile = data[["movie_id", "cate_id"]].drop_duplicates("movie_id")


def samples(mode, neg_ratio):
    train, test = generate_seq_feature_match(
        data, user_col="user_id", item_col="movie_id", time_col="timestamp",
        item_attribute_cols=[], sample_method=1, mode=mode, neg_ratio=neg_ratio, min_item=0,
    )
    return tuple(
        gen_model_input(
            frame, user_profile, "user_id", item_profile, "movie_id", seq_max_len=6,
            padding="post", truncating="post",
        )
        for frame in (train, test)
    )


def embeddings(trainer, model, user_dl, item_dl):
    user = trainer.inference_embedding(
        model=model, mode="user", data_loader=user_dl, model_path="./saved"
    )
    item = trainer.inference_embedding(
        model=model, mode="item", data_loader=item_dl, model_path="./saved"
    )
    return user, item


users = [SparseFeature(c, vocab_size=max_id[c], embed_dim=16) for c in ("user_id", "gender")]
hist = SequenceFeature(
    "hist_movie_id", max_id["movie_id"], 16, pooling="mean", shared_with="movie_id"
)
movie = SparseFeature("movie_id", vocab_size=max_id["movie_id"], embed_dim=16)
cate = SparseFeature("cate_id", vocab_size=max_id["cate_id"], embed_dim=16)
all_item = df_to_dict(item_profile)
"""

DSSM = """
x_train, x_test = samples(mode=0, neg_ratio=3)
y_train = x_train["label"]
train_dl, test_dl, item_dl = MatchDataGenerator(x=x_train, y=y_train).generate_dataloader(
    x_test, all_item, batch_size=64, num_workers=0
)
model = DSSM(
    users + [hist], [movie, cate], temperature=0.02,
    user_params={"dims": [32, 16], "activation": "prelu"},
    item_params={"dims": [32, 16], "activation": "prelu"},
)
trainer = MatchTrainer(
    model, mode=0, optimizer_params={"lr": 1e-2, "weight_decay": 1e-6}, n_epoch=6,
    device="cpu", model_path="./saved",
)
trainer.fit(train_dl)
user, item = embeddings(trainer, model, test_dl, item_dl)
"""

IN_BATCH = """
x_train, x_test = samples(mode=0, neg_ratio=0)
train_dl, test_dl, item_dl = MatchDataGenerator(x=x_train).generate_dataloader(
    x_test, all_item, batch_size=64
)
params = {"dims": [32, 16], "activation": "prelu"}
model = DSSM(users + [hist], [movie, cate], params, params, 0.1)
trainer = MatchTrainer(
    model, 0, True, 20, False, 2022, torch.optim.Adam, {"lr": 1e-2}, n_epoch=6,
    model_path="./saved",
)
trainer.fit(train_dl)
user, item = embeddings(trainer, model, test_dl, item_dl)
"""

FACEBOOK = """
x_train, x_test = samples(mode=1, neg_ratio=1)
cates = np.zeros(max_id["movie_id"], dtype=int)
cates[item_profile.movie_id] = item_profile.cate_id
x_train["neg_cate"] = cates[x_train["neg_items"]]
neg = [  # as in 0.9's example, without shared_with
    SparseFeature("neg_items", vocab_size=max_id["movie_id"], embed_dim=16),
    SparseFeature("neg_cate", vocab_size=max_id["cate_id"], embed_dim=16),
]
train_dl, test_dl, item_dl = MatchDataGenerator(x=x_train).generate_dataloader(
    x_test, all_item, batch_size=64
)
params = {"dims": [32, 16], "activation": "prelu", "output_layer": False}
model = FaceBookDSSM(users + [hist], [movie, cate], neg, params, params, temperature=0.1)
trainer = MatchTrainer(
    model, mode=1, optimizer_params={"lr": 1e-2}, n_epoch=6, model_path="./saved"
)
trainer.fit(train_dl)
user, item = embeddings(trainer, model, test_dl, item_dl)
"""

LISTS = """
x_train, x_test = samples(mode=2, neg_ratio=5)
y_train = np.array([0] * len(x_train["user_id"]))
neg = [SequenceFeature("neg_items", max_id["movie_id"], 16, "concat", "movie_id")]
train_dl, test_dl, item_dl = MatchDataGenerator(x=x_train, y=y_train).generate_dataloader(
    x_test, all_item, batch_size=64
)
model = {make}
trainer = MatchTrainer(
    model, mode=2, optimizer_params={{"lr": 1e-2}}, n_epoch=20, model_path="./saved",
    scheduler_fn=torch.optim.lr_scheduler.StepLR,
    scheduler_params={{"step_size": 10, "gamma": 0.5}},
)
trainer.fit(train_dl)
user, item = embeddings(trainer, model, test_dl, item_dl)
"""

YOUTUBE = """YoutubeDNN(
    users + [hist], [movie], neg, user_params={"dims": [32, 16]}, temperature=0.02
)"""

GRU4REC = """GRU4Rec(
    users, [SequenceFeature("hist_movie_id", max_id["movie_id"], 16, "concat", "movie_id")],
    [movie], neg, user_params={"dims": [32, 16], "num_layers": 2, "dropout": 0.1},
    temperature=0.1,
)"""

SASREC = """
movies = data.groupby("user_id").movie_id.apply(list)
seqs = np.array([f[:-2] for f in movies])
x_train = {"seq": seqs, "pos": np.array([f[1:-1] for f in movies])}
x_train["neg"] = rng.integers(1, max_id["movie_id"], seqs.shape)
x_test = {"user_id": movies.index.values, "seq": np.array([f[1:-1] for f in movies])}
features = [
    SequenceFeature(n, max_id["movie_id"], 32, "concat", None if n == "seq" else "seq")
    for n in ("seq", "pos", "neg")
]
train_dl, test_dl, item_dl = MatchDataGenerator(x_train).generate_dataloader(
    x_test, all_item, batch_size=16
)
model = SASRec(
    features, max_len=6, dropout_rate=0.2, num_blocks=2, num_heads=1,
    item_feature=SparseFeature("movie_id", max_id["movie_id"], 32, shared_with="seq"),
)
trainer = MatchTrainer(
    model, mode=1, optimizer_params={"lr": 1e-2}, n_epoch=20, model_path="./saved"
)
trainer.fit(train_dl)
user, item = embeddings(trainer, model, test_dl, item_dl)
"""

SCRIPTS = {
    "DSSM": DSSM,
    "in-batch": IN_BATCH,
    "FaceBookDSSM": FACEBOOK,
    "YoutubeDNN": LISTS.format(make=YOUTUBE),
    "GRU4Rec": LISTS.format(make=GRU4REC),
    "SASRec": SASREC,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_of_0_9(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(HEAD + SCRIPTS[name])
    found = runpy.run_path("script.py")
    user, item = found["user"], found["item"]
    assert (len(user), len(item)) == (60, 20)
    # of the five movies ranked first, a quarter would be of the user's genre by chance
    best = torch.topk(user @ item.T, 5).indices.numpy()
    genres = found["item_profile"].movie_id.to_numpy()[best] % 4
    own = (found["x_test"]["user_id"] % 4 + 1) % 4
    assert (genres == own.reshape(-1, 1)).mean() > 0.7
    assert found["model"].mode is None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["saved", "script.py"]
    assert [file.name for file in (tmp_path / "saved").iterdir()] == ["model.pth"]
