"""POST /predict: the predictions of the bundle, and errors that name row, column and value."""

import asyncio

import numpy as np
import pytest

from torch_rechub.basic.features import SparseFeature
from torch_rechub.bundles import load_bundle
from torch_rechub.models.ranking import LR
from torch_rechub.trainers import CTRTrainer


def test_predictions_of_rows_are_those_of_the_bundle(serve, bundle_folders, bundle, rows):
    response = serve(bundle_folders[0]).predict(rows)
    assert response.status_code == 200
    assert response.json() == {"targets": ["click"], "predictions": bundle.predict(rows).tolist()}


def test_a_single_row_is_predicted_to_the_bit(serve, bundle_folders, bundle, rows):
    client = serve(bundle_folders[0])
    for row in rows:
        assert client.predict(row).json()["predictions"] == bundle.predict([row]).tolist()


def test_no_rows_have_no_predictions(serve, bundle_folders):
    response = serve(bundle_folders[0]).predict([])
    assert response.json() == {"targets": ["click"], "predictions": []}


def test_requests_at_the_same_time_are_computed_together(serve, bundle_folders, bundle, rows):
    client = serve(bundle_folders[0])

    async def work(http):
        requests = [http.post("/predict", json={"rows": [row] * 2}) for row in rows]
        return await asyncio.gather(*requests), await http.get("/metrics")

    responses, metrics = client.run(work)
    for row, response in zip(rows, responses, strict=True):
        expected = bundle.predict([row, row])
        assert response.json()["predictions"] == pytest.approx(expected.tolist(), abs=1e-6)
    assert "rechub_batch_rows_sum 24" in metrics.text
    batches = metrics.text.split("rechub_batch_rows_count ")[1].splitlines()[0]
    assert int(batches) < len(rows) / 2


def test_a_bad_request_of_a_batch_fails_alone(serve, bundle_folders, bundle, rows):
    client = serve(bundle_folders[0])
    sent = [[row] for row in rows]
    sent[5] = [rows[0], {"city": "a", "age": "old"}]

    async def work(http):
        return await asyncio.gather(*(http.post("/predict", json={"rows": r}) for r in sent))

    responses = client.run(work)
    assert [r.status_code for r in responses] == [200] * 5 + [422] + [200] * 6
    for row, response in zip(rows, responses, strict=True):
        if response.status_code == 200:
            (found,) = response.json()["predictions"]
            assert found == pytest.approx(bundle.predict([row])[0], abs=1e-6)
    detail = responses[5].json()["detail"]
    assert all(word in detail for word in ("'age'", "'old'", "row 1"))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"rows": [{"city": "a"}]}, ["age"]),
        ({"rows": [{"city": "a", "age": {}}]}, ["'age'"]),
        ({"rows": [{"city": [1], "age": 1}]}, ["'city'"]),
        ({"rows": [{"city": "a", "age": 1}, 7]}, ["rows[1]", "7"]),
        ({"rows": 7}, ["rows must be a list of objects", "7"]),
        ({"row": []}, ["rows"]),
        ([{"city": "a", "age": 1}], ["rows"]),
        ({"rows": [], "batch": 3}, ["'batch'", "known are ['rows']"]),
    ],
)
def test_a_body_that_does_not_fit_the_schema_is_refused(serve, bundle_folders, body, words):
    response = serve(bundle_folders[0])("POST", "/predict", json=body)
    assert response.status_code == 422
    assert all(word in response.json()["detail"] for word in words), response.text


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"rows": [{"city": NaN}]}', b'{"rows": [Infinity]}', b"[" * 100_000, b"\xff{}"],
)
@pytest.mark.parametrize("library", ["as installed", "json"])
def test_a_body_that_is_no_json_is_refused(serve, bundle_folders, monkeypatch, body, library):
    from torch_rechub.server import exchange

    if library == "json":
        monkeypatch.setattr(exchange, "_load", exchange._load_slowly)
    response = serve(bundle_folders[0])("POST", "/predict", content=body)
    assert response.status_code == 400
    assert "no valid JSON" in response.json()["detail"]


def test_predictions_that_are_not_finite_are_an_error(serve, bundle_folders, rows):
    client = serve(bundle_folders[0])
    for parameter in client.app.served.loaded.bundle.model.parameters():
        parameter.data.fill_(float("nan"))
    response = client.predict(rows)
    assert response.status_code == 500
    assert "rows[0]" in response.json()["detail"]


def test_the_path_of_another_task_and_another_method_name_the_right_ones(serve, bundle_folders):
    client = serve(bundle_folders[0])
    response = client("POST", "/recommend", json={"users": []})
    assert response.status_code == 404
    assert "POST /predict" in response.json()["detail"]
    assert client("GET", "/predict").status_code == 405
    assert client("GET", "/nothing").status_code == 404


def test_the_schema_of_a_row_is_that_of_the_preprocessor(serve, bundle_folders, bundle):
    client = serve(bundle_folders[0])
    schema = bundle.preprocessor.schema()
    assert client("GET", "/schema").json() == schema
    body = client("GET", "/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]
    rows = body["content"]["application/json"]["schema"]["properties"]["rows"]
    assert rows == {"oneOf": [{"type": "array", "items": schema}, schema]}


def test_more_rows_than_a_batch_has_are_predicted_in_parts(serve, bundle_folders, bundle, rows):
    response = serve(bundle_folders[0], max_batch_rows=5).predict(rows)
    expected = bundle.predict(rows).tolist()
    assert response.json()["predictions"] == pytest.approx(expected, abs=1e-6)


def test_a_lone_request_is_answered_without_waiting(serve, bundle_folders, bundle, rows):
    client = serve(bundle_folders[0], max_wait_ms=60_000)
    client.app.batcher.is_alone = lambda: True
    client.app.batcher._last.append(0.0)  # as after a quick batch
    response = client.predict(rows)
    assert response.json()["predictions"] == bundle.predict(rows).tolist()
    refused = client.predict({"city": "a", "age": "old"})
    assert refused.status_code == 422


def test_a_bundle_without_a_preprocessor_predicts_encoded_rows(serve, tmp_path):
    feature = SparseFeature("city", 5, embed_dim=4)
    trainer = CTRTrainer(LR([feature]), model_path=tmp_path)
    bundle = load_bundle(trainer.save(tmp_path / "bundle"))
    client = serve(tmp_path / "bundle")
    found = client.predict([{"city": 4}, {"city": 1}]).json()["predictions"]
    assert found == bundle.predict({"city": np.array([4, 1])}).tolist()
    for wrong, words in ((5, "city"), (-1, "city"), ("a", "city"), (None, ""), (0.5, "city")):
        response = client.predict([{"city": 4}, {"city": wrong}])
        assert response.status_code == 422, response.text
        assert words in response.json()["detail"]
    assert client("GET", "/schema").json()["type"] == "object"


def test_a_row_is_answered_as_if_it_were_alone(serve, bundle_folders):
    client = serve(bundle_folders[0])
    cities = ["a", 7, 7.0, True, None, "7", 0.5, [1], {}, 10**30, -0.0, "true", 1e300, ""]
    ages = [1, 1.5, "2", "x", None, True, [1], 2**70, "", " 3", "1e3", {}, "NaN", "inf"]
    rows = [{"city": city, "age": 1} for city in cities]
    rows += [{"city": "a", "age": age} for age in ages]
    alone = [client.predict(row) for row in rows]

    async def work(http):
        return await asyncio.gather(*(http.post("/predict", json={"rows": row}) for row in rows))

    for row, one, joined in zip(rows, alone, client.run(work), strict=True):
        assert one.status_code == joined.status_code, row
        if one.status_code == 200:
            expected = pytest.approx(one.json()["predictions"], abs=1e-6)
            assert joined.json()["predictions"] == expected
        else:
            assert one.json() == joined.json()
