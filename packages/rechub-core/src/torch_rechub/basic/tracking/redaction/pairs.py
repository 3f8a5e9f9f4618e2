"""Secrets that follow their name in a text: ``password=…``, ``"api_key": "…"``, ``--token …``.

The time is linear in the length of the text: each name is read once, a value only after a name in
question, and the search continues after the value.
"""

import re

from .forms import REDACTED
from .names import Grade, grade, is_secret, looks_secret

_NAME = r"(?P<name>[^\W\d][\w.-]*)"
_PAIR = re.compile(
    r"(?<![\w.-])(?P<dash>-{0,2})" + _NAME + r"(?P<quote>\\{0,3}[\"'`])?\]?"
    r"(?:[ \t]{0,4}(?P<sign>={1,3}>?|:=|:(?![:/])|[：＝]|%3[Dd])(?:\s{1,40}(?=[\"'])|[ \t]{0,4})"
    r"|(?<=[\"'`])(?P<comma>,)\s{0,4}(?=[\"'`])"
    r"|[ \t]{1,4}(?P<prose>is[ \t]{0,2}:?[ \t]{1,4}|\(|(?=\w))"
    r"|(?P<tag>>))"
)
_FLAG = re.compile(r"(?<![\w.-])(?P<dash>-{1,2})" + _NAME + r"[ \t]{1,4}(?![-=:\s])")
_USER_FLAG = re.compile(
    r"(?<![\w-])((?:-u|--user|--proxy-user)(?:=|[ \t]{1,4}|[\"'],\s{0,4})[\"']?[^\s:\"']+:)"
    r"([^\s\"']+)"
)
_TOOL = re.compile(  # short options for a password with these tools, and for a port with others
    r"(\b(?:sshpass[ \t]+-p[ \t]*|(?:mysql|mariadb)\w*[ \t][^\n;|&]{0,200}?(?<=[ \t])-p(?=\S)"
    r"|docker[ \t]login[ \t][^\n;|&]{0,200}?(?<=[ \t])-p[ \t]+"
    r"|redis-cli[ \t][^\n;|&]{0,200}?(?<=[ \t])-a[ \t]+"
    r"|(?:wandb|swanlab)[ \t]+login[ \t]+(?:-\S{1,200}[ \t]+){0,4}(?=\w{16})))(\S+)"
)
_NOUN = re.compile(  # faster than the grammar of names, and the common case
    "pass|pw|secret|token|key|auth|cred|pin|otp|bearer|cookie|jwt|hook|pat|wort|sig|[密口令凭]",
    re.I,
)
_SIGNATURE = re.compile(r"(?:^|[-_])(?:sig|signature)$", re.I)
_WORD_BEFORE = re.compile(r"([A-Za-z]{1,20}) $")
_OPENING = re.compile(r"[bBfFrRuU]{0,2}(?:[\w.]{1,40}\(\s{0,4})?(\\{0,3}(?:\"\"\"|'''|[\"'`]))")
_BRACKET = re.compile(r"[\[\](){}]")
_BARE = re.compile(
    rf"(?:{REDACTED}|(?!</)[^\s\"'`，；。])+?"
    r"(?=[&;,]\s?[\w.-]+\s?=|[,;.)\]}]{0,4}(?:[\s\"'`，；。]|</|\Z))"
)
_SCHEME = re.compile(r"(?:Basic|Bearer|Token|Negotiate|NTLM|ApiKey)[ \t]{1,4}(?=\S)", re.I)
_LINE = re.compile(r"[^\r\n'`]+")
_WHOLE_LINE = re.compile(r"cookie$|authorization$", re.I)
_MANY_PARTS = re.compile(r"(?:Digest|OAuth|Hawk|AWS4-HMAC-SHA256)[ \t]", re.I)
_TELLING = re.compile(r"[\d!#$%&*+/=@^~]")
_FAR = 4096  # the longest value in a tag
_TYPES = {"any", "bool", "bytes", "float", "int", "object", "optional", "required", "str"}


def without_named(text: str) -> str:
    """Redact the values of names of secrets, in all notations of names and values.

    Example:
        >>> without_named("host=h password=s3cret; run --api-key s3cret --token-dim 64")
        'host=h password=<redacted>; run --api-key <redacted> --token-dim 64'
    """
    text = _without(_FLAG, _without(_PAIR, text))
    return _TOOL.sub(rf"\1{REDACTED}", _USER_FLAG.sub(_user, text))


def _without(pattern: "re.Pattern[str]", text: str) -> str:
    parts, done = [], 0
    for found in pattern.finditer(text):
        if found.start() < done or not _NOUN.search(found["name"]):
            continue
        start, end = _secret(found, text)
        if start < end:
            parts += [text[done:start], REDACTED]
            done = end
    return "".join([*parts, text[done:]])


def _user(found: "re.Match[str]") -> str:
    user, password = found.groups()
    return found[0] if password.isdigit() else user + REDACTED


def _secret(found: "re.Match[str]", text: str) -> tuple[int, int]:
    """The span of the secret that belongs to a name; empty if there is none."""
    name, start, groups = _full_name(found, text), found.end(), found.groupdict()
    if grade(name) == Grade.PLAIN:
        return start, start
    opening = _OPENING.match(text, start)
    if groups.get("tag"):
        within = text[found.start() - 1 : found.start()] == "<"
        end = text.find("</", start, start + _FAR) if within else start
    elif opening:
        start, end = opening.end(), _closing(text, opening.end(), opening[1])
        # two quoted strings in a row may be two names, for instance of columns
        unsure = groups.get("comma") and not found["dash"]
        if unsure and not (grade(name) >= Grade.TEXT and re.search(r"\d", text[start:end])):
            return start, start
    elif text[start : start + 1] in ("[", "{", "("):
        return _in_brackets(text, start, name)
    else:
        start, end = _bare(text, start, name)
        if not _is_value(found, text, start, end, name):
            return start, start
    return start, end if is_secret(name, text[start:end]) else start


def _in_brackets(text: str, start: int, name: str) -> tuple[int, int]:
    """The content of brackets; numbers alone are not a secret if a text is expected."""
    end = _matching(text, start)
    least = r"[^\W\d]" if grade(name) == Grade.TEXT else r"\w"
    held = grade(name) >= Grade.TEXT and re.search(least, text[start:end])
    return start, end if held else start


def _is_value(found: "re.Match[str]", text: str, start: int, end: int, name: str) -> bool:
    """Whether the text after an unquoted name is its value rather than prose."""
    groups, value = found.groupdict(), text[start:end]
    prose = groups.get("prose")
    if prose is not None:
        return bool(_TELLING.search(value)) if prose.startswith("is") else looks_secret(value)
    if groups.get("sign") in (":", "：") and not groups.get("quote"):
        return _is_no_prose(text, start, end, name)
    return True


def _full_name(found: "re.Match[str]", text: str) -> str:
    """The name, with the word before it if that decides, as in "API key: …"."""
    name, start = found["name"], found.start()
    if _SIGNATURE.search(name) and text[start - 1 : start] in ("?", "&", " ", ","):
        return "secret"  # the signature of a URL or of an AWS header grants access
    before = _WORD_BEFORE.search(text, max(0, start - 21), start)
    if before and not found["dash"] and grade(name) in (Grade.DOUBTFUL, Grade.TEXT):
        return f"{before[1]}_{name}"
    return name


def _closing(text: str, start: int, quote: str) -> int:
    """The end of a quoted value: the closing quote, or else the end of the line."""
    end = text.find(quote, start)
    while end > 0 and not quote.startswith("\\"):
        escapes = len(text[start:end]) - len(text[start:end].rstrip("\\"))
        if escapes % 2 == 0:
            break
        end = text.find(quote, end + 1)
    line = text.find("\n", start)
    return end if end >= 0 else line if line >= 0 else len(text)


def _matching(text: str, start: int) -> int:
    """The position of the bracket that closes the one at `start`, or the end of the text."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket[0] in "[({" else -1
        if depth == 0:
            return bracket.end()
    return len(text)


def _bare(text: str, start: int, name: str) -> tuple[int, int]:
    """The span of an unquoted value; in a header, the value after its scheme, or the whole line."""
    scheme = _SCHEME.match(text, start)
    if scheme:
        start = scheme.end()
    elif _WHOLE_LINE.search(name) and (
        name.lower().endswith("cookie") or _MANY_PARTS.match(text, start)
    ):
        line = _LINE.match(text, start)
        return start, line.end() if line else start
    value = _BARE.match(text, start)
    return start, value.end() if value else start


def _is_no_prose(text: str, start: int, end: int, name: str) -> bool:
    """Whether ``name: value`` holds a value, unlike "unexpected token: end of file"."""
    value = text[start:end]
    if _TELLING.search(value):
        return True
    rest = text[end : end + 80].partition("\n")[0]
    alone = not rest.strip(" \t,;)}]\"'`")
    return grade(name) == Grade.ANY and alone and value.lower() not in _TYPES
