"""Fitting and encoding on a Dask cluster of two processes give what one process gives."""

from functools import partial, reduce

import numpy as np
import pytest
from dask import distributed

from torch_rechub.data.preprocessing import Bucketized, Categorical, Numeric, Preprocessor
from torch_rechub.data.streaming import StreamingLoader
from torch_rechub.data.synthetic_files import write_click_log

HEADER = ["label", *(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]


def declared():
    columns = [Numeric("I1", transform="log1p", scale="robust", missing="median")]
    columns += [Bucketized("I2", quantiles=5), Categorical("C3"), Categorical("C4", min_count=2)]
    return Preprocessor(columns, targets=["label"])


def fit(file):
    return declared().fit(file, header=HEADER)


def encode(file, fitted, folder):
    out = folder / file.stem
    return fitted.transform(file, out=out, header=HEADER).folder


@pytest.mark.slow
def test_two_processes_fit_and_encode_files_as_one_does(tmp_path):
    files = [tmp_path / f"{i}.tsv" for i in range(4)]
    for i, file in enumerate(files):
        write_click_log(file, n_rows=500, seed=i)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        fitted = reduce(Preprocessor.merge, client.gather(client.map(fit, files)))
        of_file = partial(encode, fitted=fitted, folder=tmp_path / "encoded")
        client.gather(client.map(of_file, files))

    whole = declared()
    expected = whole.fit_transform(files, header=HEADER)
    for part, one in ((fitted, tmp_path / "parts"), (whole, tmp_path / "whole")):
        part.save(one)
    saved = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert saved == sorted(path.name for path in (tmp_path / "parts").iterdir())
    for name in saved:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    batches = list(StreamingLoader(str(tmp_path / "encoded/*/*.parquet"), 300, labels="label"))
    for name in expected:
        found = np.concatenate([x[name].numpy() for x, _ in batches])
        np.testing.assert_array_equal(found, expected[name])
    np.testing.assert_array_equal(np.concatenate([y.numpy() for _, y in batches]), expected.y)
