"""POST /reload and the watch: a new bundle as a whole, or the earlier one."""

import asyncio
import dataclasses
import shutil

import pytest

from torch_rechub.bundles import load_bundle
from torch_rechub.bundles.document import BundleDocument


def replace(folder, new):
    shutil.rmtree(folder)
    shutil.copytree(new, folder)


def test_a_new_bundle_answers_after_a_reload(serve, bundle_folders, folder, rows):
    client = serve(folder)
    before = client.predict(rows)
    replace(folder, bundle_folders[1])
    assert client.predict(rows).json() == before.json()  # until it is loaded
    digest = client("POST", "/reload").json()["digest"]
    after = client.predict(rows)
    assert after.json()["predictions"] == load_bundle(folder).predict(rows).tolist()
    assert after.headers["rechub-bundle"] == digest != before.headers["rechub-bundle"]
    assert client("GET", "/health").json()["digest"] == digest
    assert 'rechub_reloads_total{result="loaded"} 1' in client("GET", "/metrics").text


@pytest.mark.parametrize("harm", ["truncated", "removed", "of another task"])
def test_a_bundle_that_cannot_answer_leaves_the_earlier_one(
    serve, bundle_folders, folder, rows, harm
):
    client = serve(folder)
    before = client.predict(rows).json()
    if harm == "of another task":
        document = BundleDocument.from_json((folder / "bundle.json").read_bytes(), folder)
        other = dataclasses.replace(document, task="multi_task")
        (folder / "bundle.json").write_bytes(other.to_json())
    elif harm == "removed":
        shutil.rmtree(folder)
    else:
        weights = folder / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1])
    response = client("POST", "/reload")
    assert response.status_code == 409
    assert "the earlier one stays" in response.json()["detail"]
    assert client.predict(rows).json() == before
    health = client("GET", "/health").json()
    assert health["status"] == "ready"
    assert health["failed_reload"] in response.json()["detail"]
    assert 'rechub_reloads_total{result="failed"} 1' in client("GET", "/metrics").text


def test_a_bundle_that_cannot_answer_the_last_request_is_refused(serve, bundle_folders, folder):
    replace(folder, bundle_folders[2])
    client = serve(folder)
    before = client.predict({"city": "a"}).json()
    replace(folder, bundle_folders[0])  # it needs a column more
    response = client("POST", "/reload")
    assert response.status_code == 409
    assert "age" in response.json()["detail"]
    assert client.predict({"city": "a"}).json() == before


def test_no_request_is_lost_or_mixed_over_reloads(serve, bundle_folders, folder, rows):
    client = serve(folder)
    expected = {}
    for new in bundle_folders[:2]:
        found = load_bundle(new)
        expected[found.path.name] = [found.predict([row])[0] for row in rows]

    async def work(http):
        async def ask(i):
            response = await http.post("/predict", json={"rows": rows[i % 12]})
            return i % 12, response.headers["rechub-bundle"], response.json()["predictions"][0]

        async def load():
            for new in (1, 0, 1):
                replace(folder, bundle_folders[new])
                assert (await http.post("/reload")).status_code == 200

        loading, found = asyncio.ensure_future(load()), []
        while not loading.done() or len(found) < 100:
            found += await asyncio.gather(*map(ask, range(len(found), len(found) + 8)))
        return found

    answers = {}
    for i, digest, prediction in client.run(work):
        answers.setdefault(digest, []).append((i, prediction))
    assert len(answers) == 2
    for found in answers.values():
        close = [all(abs(p - one[i]) < 1e-6 for i, p in found) for one in expected.values()]
        assert sorted(close) == [False, True]


def test_the_watch_sees_a_replaced_folder_once(serve, bundle_folders, folder):
    client = serve(folder)
    served = client.app.served
    assert not served.has_changed()
    replace(folder, bundle_folders[1])
    assert served.has_changed()
    (folder / "weights.safetensors").write_bytes(b"")
    client("POST", "/reload")
    assert not served.has_changed()  # a refused bundle is not tried again
    shutil.rmtree(folder)
    assert not served.has_changed()  # nor one that is being replaced
