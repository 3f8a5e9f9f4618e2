"""Who may send requests: tokens, and pages of other hosts."""

import pytest

from torch_rechub._hosts import is_loopback

TOKEN = "a token of some length"
PATHS = [("GET", "/metrics"), ("GET", "/schema"), ("GET", "/docs"), ("POST", "/reload")]


@pytest.mark.parametrize(("method", "path"), [*PATHS, ("POST", "/predict"), ("GET", "/none")])
@pytest.mark.parametrize("given", [None, "Bearer wrong", TOKEN, f"Bearer {TOKEN}x", "Bearer é"])
def test_without_the_token_a_request_is_refused(serve, bundle_folders, method, path, given):
    client = serve(bundle_folders[0], token=TOKEN)
    headers = {"authorization": given.encode()} if given else {}
    response = client(method, path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in response.text


def test_with_the_token_requests_are_answered(serve, bundle_folders):
    client = serve(bundle_folders[0], token=TOKEN)
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert client.predict({"city": "a", "age": 1}, headers=headers).status_code == 200
    assert {client(*request, headers=headers).status_code for request in PATHS} == {200}


def test_the_health_is_open(serve, bundle_folders):
    assert serve(bundle_folders[0], token=TOKEN)("GET", "/health").json()["status"] == "ready"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://example.com", 403),
        ("http://127.0.0.1.example.com", 403),
        ("null", 403),
        ("http://localhost:3000", 200),
        ("http://[::1]:8000", 200),
    ],
)
def test_pages_of_other_hosts_cannot_use_a_server_without_a_token(
    serve, bundle_folders, origin, status
):
    client = serve(bundle_folders[0])
    assert client("POST", "/reload", headers={"origin": origin}).status_code == status


@pytest.mark.parametrize(("address", "status"), [("::1", 200), ("10.0.0.7", 403), ("", 403)])
def test_without_a_token_only_this_machine_may_reload(serve, bundle_folders, address, status):
    client = serve(bundle_folders[0], address=address)
    assert client("POST", "/reload").status_code == status
    assert client.predict({"city": "a", "age": 1}).status_code == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("[::1]", True),
        ("LOCALHOST", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False),
        ("localhost.example.com", False), ("", False),
    ],
)  # fmt: skip
def test_loopback_addresses_are_known(host, expected):
    assert is_loopback(host) is expected
