"""Scripts as they were written for torch-rechub 0.9 run unchanged, arguments by position too."""

import math
import runpy

import pytest
import torch

HEAD = """
import numpy as np
import pandas as pd
import torch
from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.ranking import DCN, DeepFM, WideDeep
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator, df_to_dict, generate_seq_feature

torch.manual_seed(2022)
rng = np.random.default_rng(2022)
data = pd.DataFrame({f"C{i}": rng.integers(0, 6 + i, 600) for i in range(4)})
data["I0"] = rng.random(600)
data["I1"] = rng.random(600)
data["label"] = ((data.C0 < 3) & (data.I0 > 0.2)).astype(int)
"""

DEEPFM = """
sparse_cols = [c for c in data.columns if c.startswith("C")]
dense_feas = [DenseFeature(c) for c in ("I0", "I1")]
sparse_feas = [SparseFeature(c, vocab_size=data[c].nunique(), embed_dim=8) for c in sparse_cols]
y = data["label"]
del data["label"]
dg = DataGenerator(data, y)
train_dl, val_dl, test_dl = dg.generate_dataloader(split_ratio=[0.7, 0.1], batch_size=64)
model = DeepFM(
    deep_features=dense_feas + sparse_feas,
    fm_features=sparse_feas,
    mlp_params={"dims": [32, 16], "dropout": 0.1, "activation": "relu"},
)
ctr_trainer = CTRTrainer(
    model,
    optimizer_params={"lr": 1e-2, "weight_decay": 1e-5},
    scheduler_fn=torch.optim.lr_scheduler.StepLR,
    scheduler_params={"step_size": 2, "gamma": 0.8},
    n_epoch=8,
    earlystop_patience=4,
    device="cpu",
    model_path="./saved",
)
ctr_trainer.fit(train_dl, val_dl)
auc = ctr_trainer.evaluate(ctr_trainer.model, test_dl)
predictions = ctr_trainer.predict(ctr_trainer.model, test_dl)
"""

WIDEDEEP = """
x = df_to_dict(data.drop(columns="label"))
y = data.label.values
train, val, test = slice(0, 420), slice(420, 500), slice(500, 600)


def part(rows):
    return {k: v[rows] for k, v in x.items()}


dense = [DenseFeature("I0"), DenseFeature("I1")]
sparse = [SparseFeature(f"C{i}", 6 + i, 4) for i in range(4)]
train_dl, val_dl, test_dl = DataGenerator(part(train), y[train]).generate_dataloader(
    part(val), y[val], part(test), y[test], None, 64, 0
)
model = WideDeep(dense, dense + sparse, {"dims": [16], "dropout": 0.2})
trainer = CTRTrainer(
    model, torch.optim.Adam, {"lr": 1e-2, "weight_decay": 1e-5}, None, None, None, 8, 3, "cpu",
    None, True, "saved",
)
trainer.fit(train_dl, val_dl)
auc = trainer.evaluate(trainer.model, test_dl)
predictions = trainer.predict(trainer.model, test_dl)
"""

DCN = """
x = {c: data[c].values for c in data.columns if c != "label"}
x["hist"] = np.stack([data.C0.values, data.C1.values, np.zeros(600, dtype=int)], axis=1)
features = [SparseFeature(f"C{i}", 6 + i) for i in range(4)]  # each as wide as its vocabulary asks
features += [SequenceFeature("hist", 7, features[1].embed_dim, "mean", "C1", 0)]
features += [DenseFeature("I0"), DenseFeature("I1")]
train_dl, val_dl, test_dl = DataGenerator(x, data["label"]).generate_dataloader(
    split_ratio=[0.7, 0.1], batch_size=64
)
model = DCN(features, 3, {"dims": [16, 8]})
trainer = CTRTrainer(
    model,
    optimizer_params={"lr": 1e-2},
    regularization_params={"embedding_l2": 1e-4, "dense_l2": 1e-5},
    n_epoch=8,
    model_path="saved",
)
trainer.fit(train_dl, val_dl)
model = DCN(features, 3, {"dims": [16, 8]})
model.load_state_dict(torch.load("saved/model.pth"))
auc = trainer.evaluate(model, test_dl)
predictions = trainer.predict(model, test_dl)
"""

SEQUENCES = """
import random

random.seed(2022)
rows = []
for user in range(40):  # each likes one of four categories, and knows all but two of its items
    for step, item in enumerate(rng.permutation(10)[:8]):
        rows.append((user, f"B{item:03}{user % 4}", user % 4, 1000 * step))
data = pd.DataFrame(rows, columns=["user_id", "item_id", "cate_id", "time"])
train, val, test = generate_seq_feature(
    data=data, user_col="user_id", item_col="item_id", time_col="time",
    item_attribute_cols=["cate_id"],
)
n_users, n_items, n_cates = (data[c].max() for c in ("user_id", "item_id", "cate_id"))
train, val, test = df_to_dict(train), df_to_dict(val), df_to_dict(test)
train_y, val_y, test_y = train.pop("label"), val.pop("label"), test.pop("label")
features = [
    SparseFeature("user_id", vocab_size=n_users + 1, embed_dim=8),
    SparseFeature("target_item_id", vocab_size=n_items + 1, embed_dim=8),
    SparseFeature("target_cate_id", vocab_size=n_cates + 1, embed_dim=8),
    SequenceFeature("hist_item_id", n_items + 1, 8, "mean", shared_with="target_item_id"),
    SequenceFeature("hist_cate_id", n_cates + 1, 8, "mean", shared_with="target_cate_id"),
]
train_dl, val_dl, test_dl = DataGenerator(train, train_y).generate_dataloader(
    x_val=val, y_val=val_y, x_test=test, y_test=test_y, batch_size=32
)
model = DeepFM(features, features, {"dims": [16], "dropout": 0.1})
trainer = CTRTrainer(model, optimizer_params={"lr": 1e-2}, n_epoch=20, model_path="saved")
trainer.fit(train_dl, val_dl)
auc = trainer.evaluate(trainer.model, test_dl)
predictions = trainer.predict(trainer.model, test_dl)
"""

SCRIPTS = {"DeepFM": DEEPFM, "WideDeep": WIDEDEEP, "DCN": DCN, "sequences": SEQUENCES}


@pytest.mark.parametrize("body", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_of_0_9(body, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(HEAD + body)
    found = runpy.run_path("script.py")
    assert type(found["auc"]) is float
    assert 0.9 < found["auc"] <= 1
    rows = len(found["test_dl"].dataset)
    assert len(found["predictions"]) == rows
    assert all(0 < p < 1 and math.isfinite(p) for p in found["predictions"])
    assert [file.name for file in (tmp_path / "saved").iterdir()] == ["model.pth"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["saved", "script.py"]
    state = torch.load(tmp_path / "saved" / "model.pth", weights_only=True)
    assert list(state) == list(found["model"].state_dict())
