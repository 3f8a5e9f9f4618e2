"""Every entry of a bundle, replaced by odd values with all checksums sound: refused, or usable."""

import copy
import json
import random
import shutil

import pytest

from torch_rechub.bundles import BundleError, load_bundle
from torch_rechub.bundles.document import digest_of
from torch_rechub.bundles.folder import files_in
from torch_rechub.data.preprocessing import Categorical, MultiCategorical, Numeric, Preprocessor
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.trainers import MTLTrainer

ODD = [None, True, 0, -1, 10**12, 1.5, "", "os.system", [], [1], {}, {"a": 1}]
SETTINGS = "preprocessor/preprocessor.json"
ROWS = {"user": ["a", "new"], "tags": [["x"], []], "age": [1.0, 2.0]}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    log = {
        "user": ["a", "b", "a", "c"],
        "tags": [["x"], ["y", "x"], [], ["x"]],
        "age": [1.0, 2.0, 3.0, 4.0],
        "click": [1, 0, 1, 0],
        "buy": [0, 1, 1, 0],
    }
    columns = [Categorical("user"), MultiCategorical("tags", max_length=2)]
    columns += [Numeric("age", scale="standard")]
    preprocessor = Preprocessor(columns, targets=["click", "buy"]).fit(log)
    tasks = ["classification"] * 2
    model = SharedBottom(preprocessor.features(), tasks, {"dims": [4]}, [{"dims": [2]}] * 2)
    return MTLTrainer(model, tasks, model_path=folder).save(
        folder / "bundle", preprocessor=preprocessor
    )


def places(value, place=()):
    """The place of every entry, as keys and positions."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in entries:
        yield (*place, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*place, key))


def replaced(content, place, value):
    content = copy.deepcopy(content)
    entry = content
    for key in place[:-1]:
        entry = entry[key]
    entry[place[-1]] = value
    return content


def edits(folder):
    """Every edit of the document and of the settings of the preprocessor: file, place, value."""
    for file in ("bundle.json", SETTINGS):
        for place in places(json.loads((folder / file).read_text())):
            if place[0] not in ("digest", "trainer"):
                yield from ((file, place, value) for value in ODD)


def edit(folder, file, place, value):
    """Edit an entry, and write all checksums anew."""
    content = replaced(json.loads((folder / file).read_text()), place, value)
    if file == SETTINGS:
        (folder / file).write_text(json.dumps(content))
        content = json.loads((folder / "bundle.json").read_text())
        content["files"] = files_in(folder)
    content.pop("digest")
    content["digest"] = digest_of(content)
    (folder / "bundle.json").write_text(json.dumps(content))


def assert_refused_or_usable(sound, folder, chosen):
    refused = 0
    for file, place, value in chosen:
        shutil.rmtree(folder, ignore_errors=True)
        edit(shutil.copytree(sound, folder), file, place, value)
        try:
            bundle = load_bundle(folder)
        except BundleError:
            refused += 1
            continue
        except Exception as error:
            raise AssertionError(f"{file} {place} {value!r} is not refused as such") from error
        assert bundle.describe().startswith("RowsBundle")
        if value != 10**12:  # a length of lists, for which there may be no memory
            assert bundle.predict(ROWS).shape == (2, 2), (file, place, value)
    assert refused > len(chosen) / 2


def test_some_edits(sound, tmp_path):
    chosen = random.Random(0).sample(list(edits(sound)), 120)
    assert_refused_or_usable(sound, tmp_path / "b", chosen)


@pytest.mark.slow
def test_all_edits(sound, tmp_path):
    assert_refused_or_usable(sound, tmp_path / "b", list(edits(sound)))
