"""Local paths: absolute from the moment they are given, and no URLs."""

import os
from pathlib import Path

import pytest

from torch_rechub._paths import local_path


def test_a_relative_path_is_that_of_the_working_directory_when_it_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = local_path("model_path", "models")
    monkeypatch.chdir("/")
    assert given == tmp_path / "models"
    assert local_path("model_path", given) == given


@pytest.mark.parametrize("path", ["", ".", "./", b".", Path()])
def test_the_working_directory_has_several_names(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert local_path("model_path", path) == tmp_path


def test_a_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("model_path", "~/runs") == tmp_path / "runs"


def test_a_link_is_left_before_two_dots(tmp_path):
    # link/.. is the folder above the link's target, which text alone does not tell
    (tmp_path / "far" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "below")
    given = local_path("model_path", tmp_path / "link" / ".." / "a")
    assert given.parent.samefile(tmp_path / "far")


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/a", "gs://bucket/a", "hdfs://host/a", "file:///tmp/a", "https://host/a",
        "dbfs:/a", "abfss://c@host/a", "S3://bucket", " s3://bucket", b"s3://bucket",
        Path("s3://bucket/a"),
    ],
)  # fmt: skip
def test_a_url_is_refused(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"model_path must be a local path, got the URL .*://?\w*"):
        local_path("model_path", url)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a:b", "C:/models", "s3", "./s3:/a", "/s3://a", "精排 é"])
def test_names_that_resemble_a_url_are_no_urls(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert local_path("model_path", name).is_absolute()


@pytest.mark.parametrize("path", [None, 1, ["a"]])
def test_what_is_no_path_is_named(path):
    with pytest.raises(TypeError, match="model_path must be a path, got"):
        local_path("model_path", path)
