"""Multi-task scripts as they were written for torch-rechub 0.9 run unchanged."""

import math
import runpy

import pytest
import torch

HEAD = """
import numpy as np
import pandas as pd
import torch
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import AITM, ESMM, MMOE, PLE, SharedBottom
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator

torch.manual_seed(2022)
rng = np.random.default_rng(2022)
data = pd.DataFrame({f"C{i}": rng.integers(0, 6 + i, 800) for i in range(4)})
data["I0"] = rng.random(800)
data["ctr_label"] = ((data.C0 < 3) & (data.I0 > 0.2)).astype(int)
data["cvr_label"] = data.ctr_label * (data.C1 < 4)
data["ctcvr_label"] = data.ctr_label * data.cvr_label
train, val, test = data[:560], data[560:680], data[680:]
used_cols = ["C0", "C1", "C2", "C3", "I0"]
dense_feas = [DenseFeature("I0")]
sparse_feas = [SparseFeature(f"C{i}", vocab_size=6 + i, embed_dim=4) for i in range(4)]
features = dense_feas + sparse_feas


def split(label_cols):
    x_train, x_val, x_test = ({c: p[c].values for c in used_cols} for p in (train, val, test))
    y_train, y_val, y_test = (p[label_cols].values for p in (train, val, test))
    dg = DataGenerator(x_train, y_train)
    return dg.generate_dataloader(
        x_val=x_val, y_val=y_val, x_test=x_test, y_test=y_test, batch_size=64
    )


towers = [{"dims": [8]}, {"dims": [8]}]
"""

TAIL = """
mtl_trainer = MTLTrainer(
    model,
    task_types=task_types,
    optimizer_params={"lr": 1e-2, "weight_decay": 1e-5},
    adaptive_params=adaptive_params,
    n_epoch=12,
    earlystop_taskid=0,
    earlystop_patience=12,
    device="cpu",
    model_path="./saved",
)
log = mtl_trainer.fit(train_dl, val_dl, mode="base", seed=2022)
auc = mtl_trainer.evaluate(mtl_trainer.model, test_dl)
predictions = mtl_trainer.predict(mtl_trainer.model, test_dl)
"""

TWO = """
task_types = ["classification", "classification"]
adaptive_params = None
train_dl, val_dl, test_dl = split(["cvr_label", "ctr_label"])
"""

SCRIPTS = {
    "SharedBottom": TWO
    + 'model = SharedBottom(features, task_types, bottom_params={"dims": [16]}, '
    + "tower_params_list=towers)",
    "MMOE": TWO
    + 'model = MMOE(features, task_types, n_expert=3, expert_params={"dims": [16]}, '
    + "tower_params_list=towers)",
    "PLE": TWO
    + "model = PLE(features, task_types, n_level=1, n_expert_specific=2, n_expert_shared=1, "
    + 'expert_params={"dims": [16], "output_layer": False}, tower_params_list=towers)',
    "AITM": TWO
    + 'model = AITM(features, 2, bottom_params={"dims": [16, 8]}, tower_params_list=towers)',
    "uwl": TWO
    + 'adaptive_params = {"method": "uwl"}\n'
    + 'model = MMOE(features, task_types, 3, {"dims": [16]}, towers)',
    "gradnorm": TWO
    + 'adaptive_params = {"method": "gradnorm", "alpha": 0.16}\n'
    + 'model = MMOE(features, task_types, 3, {"dims": [16]}, towers)',
    "metabalance": TWO
    + 'adaptive_params = {"method": "metabalance"}\n'
    + 'model = SharedBottom(features, task_types, {"dims": [16]}, towers)',
    "ESMM": """
task_types = ["classification"] * 3
adaptive_params = None
train_dl, val_dl, test_dl = split(["cvr_label", "ctr_label", "ctcvr_label"])
model = ESMM(
    user_features=sparse_feas[:2], item_features=sparse_feas[2:] + dense_feas,
    cvr_params={"dims": [16, 8]}, ctr_params={"dims": [16, 8]},
)
""",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_of_0_9(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(HEAD + SCRIPTS[name] + "\n" + TAIL)
    found = runpy.run_path("script.py")
    n_task = len(found["task_types"])
    assert len(found["auc"]) == n_task
    assert all(type(auc) is float and auc > 0.85 for auc in found["auc"])
    assert len(found["predictions"]) == 120
    assert all(0 < p < 1 for row in found["predictions"] for p in row)
    assert all(len(row) == 2 * n_task for row in found["log"])
    assert all(math.isfinite(value) for row in found["log"] for value in row)
    assert [file.name for file in (tmp_path / "saved").iterdir()] == ["model_base_2022.pth"]
    state = torch.load(tmp_path / "saved" / "model_base_2022.pth", weights_only=True)
    assert list(state) == list(found["model"].state_dict())
