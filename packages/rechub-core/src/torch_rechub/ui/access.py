"""Who may ask the server: no foreign web page, and where there is a token, only who has it."""

import hashlib
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from .._hosts import is_loopback


class Refused(Exception):
    """A request that is not answered.

    Attributes:
        status: The status of HTTP.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def cookie_of(token: str, port: int) -> str:
    """Return the cookie of a token: a digest, because a token may hold any character.

    Example:
        >>> cookie_of("a secret", 8090)[:18]
        'rechub_ui_8090=984'
    """
    return f"{_cookie_name(port)}={hashlib.sha256(token.encode()).hexdigest()}"


def check_access(
    headers: Mapping[str, str], given: str | None, token: str | None, port: int
) -> None:
    """Check a request.

    Without a token, the host that the browser asked for must be this machine: a page of another
    host whose name leads here (DNS rebinding) is refused. Requests that a page of another site
    makes are refused in either case.

    Args:
        headers: The headers of the request.
        given: The token in the address, if any.
        token: The token of the server.
        port: The port of the server.

    Raises:
        Refused: The request may not be answered.
    """
    foreign = headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    if foreign and headers.get("Sec-Fetch-Mode") != "navigate":
        raise Refused(403, "requests of pages of other sites are refused")
    if token is None:
        if not is_loopback(_host(headers)):
            text = "without a token, this server answers to localhost and 127.0.0.1 only"
            raise Refused(403, text)
        return
    scheme, _, bearer = headers.get("Authorization", "").partition(" ")
    offers = [given or "", bearer if scheme == "Bearer" else ""]
    cookie = f"{_cookie_name(port)}={_cookie(headers, port)}"
    allowed = [hmac.compare_digest(offer.encode(), token.encode()) for offer in offers]
    if not any([*allowed, hmac.compare_digest(cookie.encode(), cookie_of(token, port).encode())]):
        raise Refused(401, "this page needs a token: open the address that rechub ui printed")


def _host(headers: Mapping[str, str]) -> str:
    try:
        return urlsplit(f"//{headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def _cookie_name(port: int) -> str:
    return f"rechub_ui_{port}"  # a browser sends a cookie to all ports of a host


def _cookie(headers: Mapping[str, str], port: int) -> str:
    try:
        found = SimpleCookie(headers.get("Cookie", "")).get(_cookie_name(port))
    except CookieError:
        return ""
    return found.value if found is not None else ""
