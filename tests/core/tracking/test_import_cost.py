import subprocess
import sys

HEAVY = ("torch", "numpy", "pandas", "sklearn", "wandb", "swanlab", "tensorboardX", "pytest")


def test_importing_tracking_imports_no_torch_no_tracker_and_no_sdk():
    code = (
        "import sys; import torch_rechub.basic.tracking as tracking\n"
        "tracking.available_loggers(); dir(tracking); tracking.BaseLogger()\n"
        "print(*(n for n in sys.modules if '.' not in n))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(done.stdout.split())
    assert "torch_rechub" in loaded
    assert {name for name in loaded if name in HEAVY or name.startswith("rechub")} == set()
