"""Run in a clean environment: one CTR fit, tracked by every tracker that is installed there.

Prints the names of the loggers used; a logger that is not installed must say how to install it.
"""

import os
import sys
import tempfile

os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}

import torch

from torch_rechub.basic import tracking
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.data.synthetic import synthetic_clicks
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

folder = tempfile.mkdtemp()
arguments = {
    "WandbLogger": {"project": "clean", "dir": folder},
    "SwanLabLogger": {"project": "clean", "logdir": folder + "/swanlog", "mode": "offline"},
    "TensorBoardXLogger": {"log_dir": folder + "/tensorboard"},
    "MLflowLogger": {"project": "clean", "dir": folder + "/mlflow"},
}
loggers = []
for name, kwargs in arguments.items():
    if name not in {*tracking.KNOWN_LOGGERS, *tracking.available_loggers()}:
        continue
    try:
        loggers.append(getattr(tracking, name)(**kwargs))
    except ImportError as error:
        reason = str(error)
    else:
        continue
    assert f"pip install {tracking.KNOWN_LOGGERS[name]}" in reason
    assert name not in tracking.available_loggers()

data = synthetic_clicks(n_rows=2_000, vocab_sizes=[50, 20, 8], n_dense=1, seed=1)
fields = [SparseFeature(n, size, embed_dim=4) for n, size in data.vocab_sizes.items()]
dense = [DenseFeature(name) for name in data.x if name not in data.vocab_sizes]
torch.manual_seed(0)
train, val, test = DataGenerator(data.x, data.y).generate_dataloader(
    split_ratio=[0.8, 0.1], batch_size=256
)
model = DeepFM(dense + fields, fields, {"dims": [16]})
trainer = CTRTrainer(model, n_epoch=2, model_path=folder, model_logger=loggers or None)
trainer.fit(train, val)
assert len(trainer.history) == 2
assert 0 < trainer.evaluate(trainer.model, test) < 1
if not loggers:
    heavy = ("wandb", "swanlab", "tensorboardX", "rechub_wandb", "rechub_swanlab")
    assert not [m for m in heavy if m in sys.modules]
print("USED", *sorted(type(logger).__name__ for logger in loggers))
