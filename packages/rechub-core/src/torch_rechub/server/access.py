"""Who may send requests: a bearer token, and no foreign web pages."""

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from .._hosts import is_loopback
from .exchange import Refused, Scope

OPEN = ("/health",)


def check_access(scope: Scope, token: str | None) -> None:
    """Check a request.

    With a token, all paths but ``/health`` need it. Without one, only this machine may reload the
    bundle, and a request that a web page of another host makes the user's browser send is refused.

    Raises:
        Refused: The token is missing or wrong (401), or the origin is foreign (403).
    """
    if scope["path"] in OPEN:
        return
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    if token is not None:
        given = headers.get(b"authorization", b"")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            text = "this server needs the header 'Authorization: Bearer TOKEN' with its token"
            raise Refused(401, text, (b"www-authenticate", b"Bearer"))
        return
    if scope["path"] == "/reload" and not is_loopback((scope.get("client") or ("",))[0]):
        raise Refused(403, "without a token, only clients on the server's machine may reload")
    if (origin := headers.get(b"origin")) is not None:
        host = urlsplit(origin.decode("latin-1")).hostname or ""
        if not is_loopback(host):
            raise Refused(403, "requests of web pages of other hosts are refused without a token")
