"""One virtual environment a peer, made when first used: many of them share import names."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .jobs import Environment

FOLDER_VARIABLE = "RECHUB_BENCH_ENVIRONMENTS"
_READY = "bench-ready.txt"
_COMMON = ("numpy", "scikit-learn")  # what the workloads import


class EnvironmentUnavailable(Exception):
    """An environment could not be made; the message says what pip said."""


def folder() -> Path:
    """Where the environments lie: `$RECHUB_BENCH_ENVIRONMENTS`, else the user's cache folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "torch-rechub-bench"


def torch_requirement() -> str:
    """The torch of this environment, which every other one gets too."""
    return "torch==" + importlib.metadata.version("torch").split("+")[0]


def requirements(environment: Environment) -> list[str]:
    """All that pip installs into an environment."""
    return [torch_requirement(), *environment.requirements, *_COMMON]


def path_of(environment: Environment) -> Path:
    """The folder of an environment, which names its Python and its torch."""
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return folder() / f"{environment.name}-{python}-{torch_requirement().replace('==', '')}"


def python_of(environment: Environment | None) -> Path:
    """The interpreter of an environment, which is made if it is not there.

    Args:
        environment: None means the one that this process runs in.

    Raises:
        EnvironmentUnavailable: It cannot be made.
    """
    if environment is None:
        return Path(sys.executable)
    path = path_of(environment)
    wanted = "\n".join(requirements(environment)) + "\n"
    ready = path / _READY
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        _make(path, requirements(environment))
        ready.write_text(wanted, encoding="utf-8")
    return _python(path)


def _make(path: Path, wanted: list[str]) -> None:
    print(f"making {path} with {', '.join(wanted)}", file=sys.stderr, flush=True)
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _run(sys.executable, "-m", "venv", str(path))
        _run(str(_python(path)), "-m", "pip", "install", "--quiet", *wanted)
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise


def _python(path: Path) -> Path:
    return path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line]
        raise EnvironmentUnavailable("; ".join(said or done.stderr.splitlines()[-3:]))
