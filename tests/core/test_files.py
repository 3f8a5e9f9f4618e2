"""A full disk names the file that could not be written, wherever a file is written."""

import sys

import pytest

from torch_rechub._files import naming
from torch_rechub.runs import Run, compare
from torch_rechub.runs.picture import draw_png
from torch_rechub.runs.webpage import draw_html

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


def test_the_kind_of_an_error_stays():
    with pytest.raises(PermissionError, match="Permission denied: 'a'"), naming("a"):
        raise OSError(13, "Permission denied")
