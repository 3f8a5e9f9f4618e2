"""Version 1 of the format, written by hand: a later release must load it, or say who wrote it."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from torch_rechub.bundles import BundleError, load_bundle

BIAS, WEIGHTS = 0.25, [-1.0, 0.0, 1.0, 2.0]


def document(weights):
    """The document of a logistic regression on one id, as version 1 has it."""
    user = {
        "type": "SparseFeature", "name": "user", "vocab_size": 4, "embed_dim": 8,
        "shared_with": None, "padding_idx": None,
        "initializer": {"initializer": {"type": "RandomNormal", "mean": 0, "std": 0.02}},
    }  # fmt: skip
    return {
        "format": "torch_rechub bundle",
        "version": 1,
        "task": "ranking",
        "model": {
            "class": "ranking.LR",
            "arguments": {"features": [{"feature": user}]},
            "dtype": "float32",
        },
        "outputs": {"targets": ["click"], "link": None},
        "parts": {},
        "metrics": {"val/auc": 0.75},
        "data": {},
        "trainer": {"learning_rate": 0.001},
        "run": {},
        "versions": {"rechub-core": "1.0.0", "torch": "2.13.0"},
        "aliases": {},
        "files": {
            "weights.safetensors": {
                "sha256": hashlib.sha256(weights).hexdigest(),
                "bytes": len(weights),
            }
        },
    }


def write(folder, **changes):
    folder.mkdir(exist_ok=True)
    weights = {
        "linear.embedding.embed_dict.user.weight": torch.tensor(WEIGHTS).unsqueeze(1),
        "linear.bias": torch.tensor([BIAS]),
    }
    save_file(weights, folder / "weights.safetensors")
    content = {**document((folder / "weights.safetensors").read_bytes()), **changes}
    text = json.dumps(content, sort_keys=True)
    whole = {**content, "digest": hashlib.sha256(text.encode()).hexdigest()}
    (folder / "bundle.json").write_text(json.dumps(whole))
    return folder


def test_a_bundle_of_version_1_predicts_by_the_formula(tmp_path):
    bundle = load_bundle(write(tmp_path / "b"))
    expected = torch.sigmoid(torch.tensor(WEIGHTS) + BIAS)
    assert bundle.predict({"user": [0, 1, 2, 3]}).tolist() == pytest.approx(expected.tolist())
    assert (bundle.task, bundle.targets) == ("ranking", ("click",))
    assert bundle.metrics == {"val/auc": 0.75}


@pytest.mark.parametrize(
    ("version", "remedy"), [(0, "save it again with this release"), (2, "upgrade rechub-core")]
)
def test_another_version_names_the_release_that_wrote_it(tmp_path, version, remedy):
    folder = write(tmp_path / "b", version=version, versions={"rechub-core": "7.5.3"})
    with pytest.raises(BundleError, match=rf"version {version} .* rechub-core 7\.5\.3; .*{remedy}"):
        load_bundle(folder)
