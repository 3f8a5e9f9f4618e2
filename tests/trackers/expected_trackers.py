"""Which trackers this environment must have: `RECHUB_EXPECTED_TRACKERS`, by default all."""

import os

ALL_TRACKERS = ("wandb", "swanlab", "tensorboardx", "mlflow")
# A job that installs a subset says so; by default all four must be here.
EXPECTED = tuple(
    name.strip()
    for name in os.environ.get("RECHUB_EXPECTED_TRACKERS", ",".join(ALL_TRACKERS)).split(",")
    if name.strip()
)
assert set(EXPECTED) <= set(ALL_TRACKERS), f"RECHUB_EXPECTED_TRACKERS={','.join(EXPECTED)}"

LOGGERS = {
    "wandb": "WandbLogger",
    "swanlab": "SwanLabLogger",
    "tensorboardx": "TensorBoardXLogger",
    "mlflow": "MLflowLogger",
}
SDKS = {
    "wandb": "wandb",
    "swanlab": "swanlab",
    "tensorboardx": "tensorboardX",
    "mlflow": "mlflow",
}
