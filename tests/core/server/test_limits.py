"""Limits of the server: sizes, numbers, time and the queue; each refusal names its limit."""

import asyncio
import time

import httpx
import pytest

from torch_rechub.server import Settings
from torch_rechub.server.exchange import Disconnected, Refused, read_body

ROW = {"city": "a", "age": 1}


def test_a_larger_body_is_refused_before_it_is_read(serve, bundle_folders):
    client = serve(bundle_folders[0], max_body_bytes=100)
    response = client.predict([ROW] * 10)
    assert response.status_code == 413
    assert "more than 100 bytes" in response.json()["detail"]
    assert response.headers["connection"] == "close"
    assert client.predict(ROW).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_compressed_body_is_refused(serve, bundle_folders, encoding):
    client = serve(bundle_folders[0])
    response = client.predict(ROW, headers={"Content-Encoding": encoding})
    assert response.status_code == 415
    assert encoding in response.json()["detail"]
    assert "send it uncompressed" in response.json()["detail"]
    assert client.predict(ROW, headers={"Content-Encoding": "identity"}).status_code == 200


def test_a_body_without_a_length_is_refused_while_it_streams():
    read = 0

    async def receive():
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 40, "more_body": True}

    with pytest.raises(Refused, match="more than 100 bytes") as refused:
        asyncio.run(read_body({"headers": []}, receive, 100, 5))
    assert (refused.value.status, read) == (413, 3)


def test_a_slow_body_is_refused():
    async def receive():
        await asyncio.sleep(0.04)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(Refused, match=r"did not arrive within 0\.1 s") as refused:
        asyncio.run(read_body({"headers": []}, receive, 100, 0.1))
    assert refused.value.status == 408


def test_a_body_that_never_comes_is_refused_and_the_task_goes_on():
    async def main():
        with pytest.raises(Refused, match="did not arrive"):
            await read_body({"headers": []}, asyncio.Event().wait, 100, 0.02)
        await asyncio.sleep(0)  # a task that were still canceled would end here
        return "alive"

    assert asyncio.run(main()) == "alive"


def test_a_canceled_task_is_not_taken_for_a_slow_body():
    async def main():
        read = read_body({"headers": []}, asyncio.Event().wait, 100, 5)
        task = asyncio.ensure_future(read)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


def test_a_client_that_leaves_has_no_body():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(Disconnected):
        asyncio.run(read_body({"headers": []}, receive, 100, 5))


def test_more_rows_are_refused(serve, bundle_folders):
    response = serve(bundle_folders[0], max_rows=3).predict([ROW] * 4)
    assert response.status_code == 413
    assert response.json()["detail"] == "4 rows are more than 3: send several requests"


def test_more_requests_in_progress_are_sent_away_for_a_second(serve, bundle_folders):
    client = serve(bundle_folders[0], max_queue=3)

    async def work(http):
        return await asyncio.gather(*(http.post("/predict", json={"rows": ROW}) for _ in range(8)))

    responses = client.run(work)
    refused = [r for r in responses if r.status_code == 503]
    assert (len(refused), len(responses)) == (5, 8)
    assert {r.headers["retry-after"] for r in refused} == {"1"}
    assert client.predict(ROW).status_code == 200  # and the count goes down again


def test_a_request_that_takes_too_long_is_refused(serve, bundle_folders, monkeypatch):
    client = serve(bundle_folders[0], timeout_s=0.05)
    answer = client.app.served.loaded.answering.answer

    def slow(requests):
        time.sleep(0.3)
        return answer(requests)

    monkeypatch.setattr(client.app.served.loaded.answering, "answer", slow)
    response = client.predict(ROW)
    assert response.status_code == 503
    assert "0.05 s" in response.json()["detail"]


def test_an_error_of_the_model_is_logged_and_not_shown(serve, bundle_folders, monkeypatch, caplog):
    client = serve(bundle_folders[0])

    def fails(requests):
        raise MemoryError("at 0x1234")

    monkeypatch.setattr(client.app.served.loaded.answering, "answer", fails)
    response = client.predict(ROW)
    assert response.status_code == 500
    assert response.json() == {"detail": "the server failed, its log says why"}
    assert "at 0x1234" in caplog.text


def test_long_values_are_cut_in_messages(serve, bundle_folders):
    response = serve(bundle_folders[0]).predict({"city": "a", "age": "x" * 100_000})
    assert response.status_code == 422
    assert len(response.content) < 3000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 70_000}, "port must be at least 0 and at most 65535, got 70000"),
        ({"max_queue": 0}, "max_queue must be at least 1, got 0"),
        ({"timeout_s": 0}, "timeout_s must be above 0, got 0"),
        ({"token": "short"}, "shorter than 8 characters"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Settings(**settings)


def test_the_status_of_a_client_that_left_is_counted(serve, bundle_folders):
    client = serve(bundle_folders[0])

    async def work(http):
        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            raise AssertionError("nobody listens")

        scope = {"type": "http", "method": "POST", "path": "/predict", "headers": []}
        await client.app(scope, receive, send)
        return await http.get("/metrics")

    metrics: httpx.Response = client.run(work)
    assert 'rechub_requests_total{endpoint="/predict",status="499"} 1' in metrics.text
