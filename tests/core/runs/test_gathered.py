"""Files that a record names, or that lie in the folders of a run, are those of the run alone."""

import pytest

from torch_rechub.runs import gathered
from torch_rechub.runs.details import newest_files
from torch_rechub.runs.gathered import bytes_inside


@pytest.fixture
def folders(tmp_path):
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for folder in (run, elsewhere):
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "file").write_bytes(folder.name.encode())
    return run, elsewhere


def test_a_file_below_the_folder_is_read(folders):
    assert bytes_inside(folders[0], "a/file") == b"run"


@pytest.mark.parametrize("name", ["../elsewhere/a/file", "a/../../elsewhere/a/file", "link/a/file"])
def test_a_file_elsewhere_is_not_read(name, folders):
    run, elsewhere = folders
    (run / "link").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="a file outside of the run"):
        bytes_inside(run, name)
    with pytest.raises(ValueError, match="a file outside of the run"):
        bytes_inside(run, str(elsewhere / "a" / "file"))


def test_a_file_beyond_the_limit_is_not_read(folders, monkeypatch):
    monkeypatch.setattr(gathered, "LARGEST_FILE", 2)
    with pytest.raises(ValueError, match="a file of more than 2 bytes"):
        bytes_inside(folders[0], "a/file")


def test_the_files_of_artifacts_are_no_links(folders):
    run, elsewhere = folders
    (run / "b").symlink_to(elsewhere / "a")
    (run / "c").mkdir()
    (run / "c" / "file").symlink_to(elsewhere / "a" / "file")
    assert newest_files(run) == {"a": str(run / "a" / "file")}
    (run.parent / "linked").symlink_to(run)
    assert newest_files(run.parent / "linked") == {}
