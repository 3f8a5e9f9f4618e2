"""The six distributions of this repository, as their pyproject.toml files describe them."""

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[2]
PACKAGES = REPOSITORY / "packages"

OWNED = {
    "rechub-core": "torch_rechub",
    "rechub-wandb": "rechub_wandb",
    "rechub-swanlab": "rechub_swanlab",
    "rechub-tensorboardx": "rechub_tensorboardx",
    "rechub-mlflow": "rechub_mlflow",
    "torch-rechub": None,
}
TRACKERS = {
    "rechub-wandb": "WandbLogger",
    "rechub-swanlab": "SwanLabLogger",
    "rechub-tensorboardx": "TensorBoardXLogger",
    "rechub-mlflow": "MLflowLogger",
}


def project(name: str) -> dict[str, Any]:
    """The [project] table of a distribution."""
    return project_at(PACKAGES / name)


def project_at(folder: Path) -> dict[str, Any]:
    """The [project] table of the pyproject.toml in a folder."""
    with (folder / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]
