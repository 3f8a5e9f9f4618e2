"""Detects a torch-rechub 0.x that is installed into the same folder as rechub-core.

Both own the folder `torch_rechub/`, so whichever was installed last wins file by file and the
result is a mixture of two versions. The check is called from every package that 0.x either lacks
or holds as a single module, so it runs whichever of the two `torch_rechub/__init__.py` survived.
"""

from importlib import metadata


def refuse_mixed_installation() -> None:
    """Raise ImportError, with the commands that repair it, if torch-rechub 0.x is installed too."""
    try:
        version = metadata.version("torch-rechub")
    except metadata.PackageNotFoundError:
        return
    if version.split(".")[0] == "0":
        raise ImportError(
            f"torch-rechub {version} and rechub-core are installed over each other: both own the "
            "folder torch_rechub, and the files on disk are now a mixture of the two. "
            "Mend it with these two commands:\n"
            "    pip uninstall -y torch-rechub rechub-core\n"
            '    pip install "torch-rechub>=1.0"'
        )
