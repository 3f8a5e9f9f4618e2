"""A bundle of a small ranking model, and clients of its server in this process."""

import asyncio
import shutil

import httpx
import numpy as np
import pytest
import torch

from torch_rechub.bundles import load_bundle
from torch_rechub.data.preprocessing import Categorical, Numeric, Preprocessor
from torch_rechub.models.ranking import DeepFM
from torch_rechub.server import Settings, make_app
from torch_rechub.trainers import CTRTrainer


def save_bundle(folder, seed, columns=("city", "age")):
    rng = np.random.default_rng(seed)
    log = {
        "city": rng.choice(list("abcdef"), 60),
        "age": rng.normal(size=60),
        "click": rng.integers(0, 2, 60),
    }
    known = {"city": Categorical("city", embed_dim=4), "age": Numeric("age")}
    preprocessor = Preprocessor([known[name] for name in columns], targets=["click"])
    train = preprocessor.fit_transform(log)
    torch.manual_seed(seed)
    model = DeepFM(preprocessor.features(), preprocessor.features("city"), {"dims": [8]})
    trainer = CTRTrainer(model, n_epoch=1, model_path=folder.parent / "weights", progress=False)
    trainer.fit(train.loader(30))
    trainer.save(folder, preprocessor=preprocessor)
    return folder


@pytest.fixture(scope="session")
def bundle_folders(tmp_path_factory):
    """Two bundles of the same columns and other weights, and one that lacks a column."""
    folder = tmp_path_factory.mktemp("served")
    first, second = save_bundle(folder / "first", 0), save_bundle(folder / "second", 1)
    return first, second, save_bundle(folder / "narrow", 2, columns=("city",))


@pytest.fixture(scope="session")
def bundle(bundle_folders):
    return load_bundle(bundle_folders[0])


@pytest.fixture
def folder(bundle_folders, tmp_path):
    """A copy of the first bundle, to be replaced."""
    return shutil.copytree(bundle_folders[0], tmp_path / "bundle")


@pytest.fixture
def rows():
    """Twelve rows, with values that training did not know and missing ones."""
    cities = [*"abcdef", "nowhere", None, "b", "b", "", "c"]
    return [{"city": city, "age": i / 3} for i, city in enumerate(cities)]


class Client:
    """Sends requests to an application in this process."""

    def __init__(self, path, address="127.0.0.1", **settings):
        self.app, self.address = make_app(path, Settings(**settings)), address

    def run(self, work):
        """Run the coroutine of an HTTP client."""

        async def main():
            transport = httpx.ASGITransport(self.app, client=(self.address, 7))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                return await work(http)

        return asyncio.run(main())

    def __call__(self, method, path, **options):
        return self.run(lambda http: http.request(method, path, **options))

    def predict(self, rows, **options):
        return self("POST", "/predict", json={"rows": rows}, **options)


@pytest.fixture
def serve():
    """Makes clients of bundles."""
    return Client
