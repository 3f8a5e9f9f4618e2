"""The services of webhooks: the messages that each accepts, and its answers."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from .http import Answer
from .webhook import Refusal, Webhook, checked_secret


class PlainJSON(Webhook):
    """A server of your own that accepts JSON: the text, and the values that it is made of.

    The body is ``{"text": …, "run": …, "rule": …, "data": {…}, "time": …, "suppressed": n}``. Any
    status from 200 to 299 accepts it. Arguments and errors are those of `Webhook`.

    Example:
        >>> hook = PlainJSON("https://alerts.example.com/rechub")
        >>> hook.payload("a text", {"rule": "stalled"})
        {'text': 'a text', 'rule': 'stalled'}
    """

    def payload(self, text: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the text and the alert."""
        return {"text": text, **about}


class Slack(Webhook):
    """An incoming webhook of Slack. Arguments and errors are those of `Webhook`.

    Example:
        >>> Slack("https://hooks.slack.com/services/T0/B0/s3cretkey").payload("<!here>", {})["text"]
        '&lt;!here&gt;'
    """

    def payload(self, text: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the text, without formatting and mentions."""
        for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(character, escaped)
        return {"text": text, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


class _WithCode(Webhook):
    """A service that answers 200 to every request, with a code in the body; 0 is success."""

    code: ClassVar[str]
    message: ClassVar[str]
    busy: ClassVar[tuple[int, ...]]

    def refusal(self, answer: Answer) -> Refusal | None:
        """Return the code and the message of the service, if it refused."""
        data = _json(answer.body)
        code = data.get(self.code)
        if not isinstance(code, int):
            problem = super().refusal(answer)
            return problem or Refusal(f"the answer has no {self.code}: is the URL right?")
        if code == 0:
            return super().refusal(answer)
        again = code in self.busy or answer.status == 429 or answer.status >= 500
        return Refusal(f"{self.code} {code}: {str(data.get(self.message))[:200]}", again)


class Feishu(_WithCode):
    """A custom bot of Feishu (Lark).

    Args:
        url: As in `Webhook`.
        secret: The key of the signature, if the bot verifies signatures.
        allow_http: As in `Webhook`.

    Raises:
        TypeError: The URL or the secret is no text.
        ValueError: As in `Webhook`, or the secret is empty.

    Example:
        >>> hook = Feishu("https://open.feishu.cn/open-apis/bot/v2/hook/0a1b2c3d")
        >>> hook.payload("a text", {})
        {'msg_type': 'text', 'content': {'text': 'a text'}}
    """

    code, message = "code", "msg"
    busy = (9499, 11232, 230020)  # too many requests: in general, of a tenant, of a chat

    def __init__(self, url: str, secret: str | None = None, *, allow_http: bool = False) -> None:
        super().__init__(url, allow_http=allow_http)
        self._secret = checked_secret("Feishu", secret)

    def payload(self, text: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the text, without mentions, and the signature."""
        # <at user_id="all"> would mention everyone
        message = {"msg_type": "text", "content": {"text": text.replace("<", "＜")}}
        if self._secret is None:
            return message
        seconds = str(int(time.time()))
        return {"timestamp": seconds, "sign": feishu_signature(self._secret, seconds), **message}


class DingTalk(_WithCode):
    """A custom bot of DingTalk.

    A bot that filters by keyword accepts the keyword ``torch_rechub``, which begins each message.
    Arguments and errors are those of `Feishu`.

    Example:
        >>> hook = DingTalk("https://oapi.dingtalk.com/robot/send?access_token=0a1b2c", "SEC0a1b")
        >>> hook.url.startswith("https://oapi.dingtalk.com/robot/send?access_token=0a1b2c&timestamp=")
        True
    """

    code, message = "errcode", "errmsg"
    busy = (-1, 130101, 410100)  # the system is busy, too many messages

    def __init__(self, url: str, secret: str | None = None, *, allow_http: bool = False) -> None:
        super().__init__(url, allow_http=allow_http)
        self._secret = checked_secret("DingTalk", secret)

    @property
    def url(self) -> str:
        """The URL, with the signature of this moment."""
        url = super().url
        if self._secret is None:
            return url
        now = str(int(time.time() * 1000))
        signed = f"timestamp={now}&sign={quote(dingtalk_signature(self._secret, now), safe='')}"
        return f"{url}{'&' if urlsplit(url).query else '?'}{signed}"

    def payload(self, text: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the text, which mentions nobody."""
        return {"msgtype": "text", "text": {"content": text}, "at": {"isAtAll": False}}


class WeCom(_WithCode):
    """A group bot of WeCom, whose messages have at most 2,048 bytes; longer texts are cut.

    Arguments and errors are those of `Webhook`.

    Example:
        >>> hook = WeCom("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0a1b2c3d")
        >>> hook.payload("a text", {})
        {'msgtype': 'text', 'text': {'content': 'a text'}}
    """

    code, message = "errcode", "errmsg"
    busy = (-1, 45009)  # the system is busy, too many messages
    longest = 2048

    def payload(self, text: str, about: Mapping[str, Any]) -> dict[str, Any]:
        """Return the text, without mentions."""
        text = text.replace("<", "＜")  # <@user> would mention
        if len(text.encode()) > self.longest:
            text = text.encode()[: self.longest - 3].decode(errors="ignore") + "…"
        return {"msgtype": "text", "text": {"content": text}}


KINDS: dict[str, type[Webhook]] = {
    kind.__name__: kind for kind in (Feishu, DingTalk, WeCom, Slack, PlainJSON)
}


def of_revealed(arguments: Mapping[str, Any]) -> Webhook:
    """Create the webhook of the result of `Webhook.revealed`."""
    secret = {} if arguments["secret"] is None else {"secret": arguments["secret"]}
    return KINDS[arguments["kind"]](arguments["url"], allow_http=True, **secret)


def feishu_signature(secret: str, timestamp: str) -> str:
    """Return the signature of Feishu: HMAC-SHA256 of nothing, with the time and the secret as key.

    Example:
        >>> feishu_signature("demo", "1599360473")
        'l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8='
    """
    key = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def dingtalk_signature(secret: str, timestamp: str) -> str:
    """Return the signature of DingTalk: HMAC-SHA256 of the time and the secret, by the secret.

    Example:
        >>> dingtalk_signature("SEC0a1b", "1599360473000")
        '1y+FE9VOJFnLML/iTKkHUQqL/+F0LoZ4H9gam4R+qMw='
    """
    signed = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
