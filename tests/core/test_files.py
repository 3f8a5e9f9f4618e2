"""Files: a full disk names the file that could not be written; folders are replaced whole."""

import json
import sys
import threading

import pytest

from torch_rechub._files import naming, replace_folder
from torch_rechub.runs import Run, compare
from torch_rechub.runs.picture import draw_png
from torch_rechub.runs.webpage import draw_html
from warm_python import run_script

FULL = "/dev/full"  # Linux's device on which every write fails for lack of space


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is always full")
@pytest.mark.parametrize("draw", [draw_html, draw_png])
def test_a_plot_on_a_full_disk_names_its_file(draw):
    runs = [Run("a", "jsonl", "a", metrics={"val/auc": [(0, 0.5), (1, 0.6)]})]
    with pytest.raises(OSError, match=f"No space left on device: '{FULL}'"):
        draw(compare(runs), FULL)


def test_an_error_that_names_a_file_already_is_left_alone(tmp_path):
    missing = tmp_path / "missing" / "a"
    with pytest.raises(FileNotFoundError) as raised, naming("another"):
        missing.write_text("x")
    assert raised.value.filename == str(missing)


LIMITED = """
import json, resource, signal, sys, torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.basic.tracking import JSONLLogger
from torch_rechub.models.ranking import LR
from torch_rechub.serving.annoy import AnnoyBuilder
from torch_rechub.serving.faiss import FaissBuilder
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.quantization import quantize_model

folder = sys.argv[1]
logger = JSONLLogger("p", "n", dir=folder)
logger.log_metrics({"loss": 1.0}, 0)
vectors = torch.randn(500, 8)
builders = {"annoy": AnnoyBuilder(8), "faiss": FaissBuilder()}
trainer = CTRTrainer(LR([SparseFeature("user", 900)]), model_path=folder)
trainer.export_onnx(f"{folder}/sound")
WRITERS = {
    "onnx": lambda file: trainer.export_onnx(file),
    "fp16": lambda file: quantize_model(f"{folder}/sound", file, mode="fp16"),
    "jsonl": lambda file: logger.log_hyperparams({"text": "x" * 3000}),
    **{name: builder.build(vectors).save for name, builder in builders.items()},
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
said = {"run": [logger.path]}
for name, write in WRITERS.items():
    try:
        write(f"{folder}/{name}.file")
    except OSError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a file's size is Linux's")
@pytest.mark.slow
def test_every_writer_names_its_file_when_the_disk_is_full(tmp_path):
    done = run_script(["-c", LIMITED, tmp_path])
    said = json.loads(done.stdout.splitlines()[-1])
    (run,) = said.pop("run")
    assert run in said.pop("jsonl")
    assert {name: str(tmp_path / f"{name}.file") in text for name, text in said.items()} == (
        dict.fromkeys(("onnx", "fp16", "annoy", "faiss"), True)
    )
    assert all("File too large" in text for text in said.values())


def test_the_kind_of_an_error_stays():
    with pytest.raises(PermissionError, match="Permission denied: 'a'"), naming("a"):
        raise OSError(13, "Permission denied")


def folder_with(path, text):
    path.mkdir()
    (path / "file").write_text(text)
    return path


@pytest.mark.parametrize("platform", [sys.platform, "win32"])
def test_a_folder_is_replaced_whole(tmp_path, monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    target = tmp_path / "target"
    replace_folder(folder_with(tmp_path / "first", "1"), target)
    assert (target / "file").read_text() == "1"
    replace_folder(folder_with(tmp_path / "second", "2"), target)
    assert (target / "file").read_text() == "2"


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    target = folder_with(tmp_path / "target", "1")
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "missing", target)
    assert (target / "file").read_text() == "1"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux exchanges folders")
def test_on_linux_the_folder_is_there_at_every_instant(tmp_path):
    target, stop = folder_with(tmp_path / "target", "0"), threading.Event()
    missing = []

    def look():
        while not stop.is_set():
            if not (target / "file").exists():
                missing.append(True)

    thread = threading.Thread(target=look)
    thread.start()
    for i in range(200):
        replace_folder(folder_with(tmp_path / f"new-{i}", str(i)), target)
    stop.set()
    thread.join()
    assert not missing
