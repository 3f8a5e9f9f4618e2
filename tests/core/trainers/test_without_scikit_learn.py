"""Training needs neither scikit-learn nor SciPy."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from torch_rechub.training.reporting.plots import roc_points

# The example of each trainer's docstring trains; RQ-VAE starts from cluster centers here, too.
CODE = """
import doctest, sys
from importlib import import_module
sys.modules.update(dict.fromkeys(["sklearn", "scipy", "joblib"]))
for module in ("ctr", "match", "mtl", "seq", "tiger", "rqvae"):
    failed, tried = doctest.testmod(import_module(f"torch_rechub.trainers.{module}_trainer"))
    assert tried and not failed, module

import numpy as np, torch
from torch_rechub.basic.features import DenseFeature
from torch_rechub.basic.tracking import BaseLogger
from torch_rechub.models.generative import RQVAEModel
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer, Recording
from torch_rechub.trainers.rqvae_trainer import Trainer
drawn = []
class Figures(BaseLogger):
    def log_figure(self, name, figure, step):
        drawn.append(name)
y = torch.arange(8) % 2.0
batch = ({"a": y + torch.rand(8)}, y)
trainer = CTRTrainer(LR([DenseFeature("a")]), n_epoch=1, model_path=sys.argv[1],
                     model_logger=Figures(), record=Recording(figures=True))
trainer.fit([batch], [batch])
model = RQVAEModel(6, [6, 6], e_dim=4, layers=[16], kmeans_init=True)
items = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(32, 6)), 32)
Trainer(model, n_epoch=1, eval_step=1, model_path=sys.argv[1]).fit(items)
print(drawn, bool(model.rq.vq_layers[0].initted))
"""


@pytest.mark.slow
def test_all_trainers_train_and_draw_without_scikit_learn(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "['val/roc', 'val/calibration', 'val/confusion'] True"


@pytest.mark.parametrize("digits", [0, 1, 2, 9])
def test_the_roc_curve_is_that_of_scikit_learn(digits):
    draw = np.random.default_rng(digits)
    for n in (2, 3, 10, 200):
        labels = np.array([0, 1, *draw.integers(0, 2, n - 2)], dtype=np.float32)
        scores = np.round(draw.random(n), digits).astype(np.float32)
        false, true, _ = roc_curve(labels, scores)
        points = roc_points(labels, scores)
        np.testing.assert_allclose(points[0], false)
        np.testing.assert_allclose(points[1], true)
