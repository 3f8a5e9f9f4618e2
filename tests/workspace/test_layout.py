"""The layout of the repository, and the cost of imports."""

import subprocess
import sys

import pytest

from warm_python import run_script
from workspace.distributions import REPOSITORY, tomllib

HEAVY = ["torch", "numpy", "pandas", "sklearn", "wandb", "swanlab", "tensorboardX", "rechub_wandb"]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "module",
    [
        "torch_rechub", "torch_rechub.alerts", "torch_rechub.basic.tracking", "torch_rechub.runs",
        "torch_rechub.ui",
    ],
)  # fmt: skip
def test_importing_is_cheap(module):
    loaded = f"import sys, {module}; print([m for m in {HEAVY} if m in sys.modules])"
    assert run(loaded) == "[]"


@pytest.mark.parametrize(
    "module", ["models.ranking", "models.matching", "models.multi_task", "trainers", "utils.data"]
)
def test_training_on_arrays_loads_neither_pandas_nor_scikit_learn_nor_pyarrow(module):
    code = f"import sys, torch_rechub.{module} as m; m.__all__"
    code += "; print({'pandas', 'sklearn', 'scipy', 'pyarrow'} & {*sys.modules})"
    done = run_script(["-c", code], imported=("torch",))
    assert done.stdout == "set()\n", done.stderr


def test_rooms_are_loaded_when_first_used():
    code = "import torch_rechub as t; print(t.basic.features.SparseFeature('a', 3).name)"
    with pytest.raises(AssertionError, match="no attribute 'features'"):
        run(code)
    code = "import torch_rechub; print(torch_rechub.trainers.CTRTrainer.__name__)"
    assert run_script(["-c", code], imported=("torch",)).stdout == "CTRTrainer\n"
    code = "import torch_rechub; print(torch_rechub.bundles.load_bundle.__name__)"
    assert run_script(["-c", code], imported=("torch",)).stdout == "load_bundle\n"


def test_an_unknown_name_is_an_attribute_error():
    assert run("import torch_rechub; print(hasattr(torch_rechub, 'nothing'))") == "False"


def test_the_top_level_holds_what_the_layout_page_lists():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    allowed = {
        "packages", "tests", "docs", "examples", "hatch.toml", "README.md", "README.zh.md",
        ".github", "LICENSE", "CHANGELOG.md", "ruff.toml", ".gitignore", ".ci",
    }  # fmt: skip
    assert {path.split("/")[0] for path in tracked} <= allowed


def test_no_data_set_is_committed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    endings = (".csv", ".inter", ".item", ".zip", ".parquet")
    of_data = [p for p in tracked if p.endswith(endings) and not p.startswith("docs/results/")]
    assert of_data == []


def test_the_demos_environment_has_the_packages_and_torch_alone_and_the_tests_are_in_another():
    with (REPOSITORY / "hatch.toml").open("rb") as file:
        environments = tomllib.load(file)["envs"]
    default, full, demo = (environments[name] for name in ("default", "full", "demo"))
    assert [d.split("==")[0] for d in demo["dependencies"]] == ["torch"]
    assert demo["scripts"] == {"train": "python examples/demo.py {args}"}
    assert not {"dependencies", "workspace"} & default.keys()
    assert default["scripts"].pop("demo") == "hatch run demo:train {args}"
    assert default["scripts"] == {
        name: f"hatch run full:{name} {{args}}" for name in full["scripts"]
    }
    # scripts are inherited: one of another name than those of `full` would call itself there
    pinned = {d for e in environments.values() for d in e.get("dependencies", []) if "torch==" in d}
    assert len(pinned) == 1
