"""Secrets recognized by their form: tokens of services, key blocks, credentials in URLs.

Each function takes linear time: a pattern that may begin anywhere reads a bounded number of
characters before it fails.
"""

import base64
import binascii
import re

from .names import looks_secret

REDACTED = "<redacted>"

_PEM = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10})-----.*?(?:-----END \1-----|\Z)", re.S
)

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    + "|".join(
        [
            r"A(?:KI|SI|BI|CC)A[A-Z0-9]{12,}",  # Amazon
            r"LTAI[A-Za-z0-9]{12,}|AKID[A-Za-z0-9]{13,}",  # Alibaba Cloud, Tencent Cloud
            r"AIza[\w-]{20,}|ya29\.[\w-]{16,}|GOCSPX-[\w-]{16,}",  # Google
            r"gh[oprsu]_[A-Za-z0-9_]{16,}|github_pat_[A-Za-z0-9_]{16,}",
            r"gl(?:agent|cbt|dt|ft|imt|pat|ptt|rt|soat)-[\w-]{16,}",  # GitLab
            r"hf_[A-Za-z0-9]{16,}|api_org_[A-Za-z0-9]{16,}",  # Hugging Face
            r"sk-(?:admin|ant|lf|live|or|proj|svcacct|test)-[\w-]{12,}",  # Anthropic, OpenAI, …
            r"sk-(?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{16,}[\w-]*",  # OpenAI, DeepSeek, …
            r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe
            r"xox[a-z](?:\.xox[a-z])?-[\w-]{8,}|xapp-\d-[\w-]{8,}",  # Slack
            r"npm_[A-Za-z0-9]{16,}|pypi-(?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{16,}[\w-]*",
            r"dckr_[a-z]{3}_[\w-]{16,}|do[opr]_v1_[A-Za-z0-9]{16,}",  # Docker, DigitalOcean
            r"SG\.[\w-]{16,}\.[\w-]{16,}|key-[0-9a-f]{32}",  # SendGrid, Mailgun
            r"gsk_[A-Za-z0-9]{16,}|xai-[A-Za-z0-9]{16,}|r8_[A-Za-z0-9]{16,}|nvapi-[\w-]{16,}",
            r"pplx-[A-Za-z0-9]{16,}|tvly-(?:dev-)?[A-Za-z0-9]{16,}|lsv2_[a-z]{2}_\w{16,}",
            r"wandb_v1_\w{16,}|ntn_[A-Za-z0-9]{16,}|lin_api_[A-Za-z0-9]{16,}|figd_[\w-]{16,}",
            r"hv[bsr]\.[\w-]{16,}|dapi[0-9a-f]{32}|shp(?:at|ca|pa|ss)_[A-Za-z0-9]{16,}",
            r"sntry[su]_[\w+/=-]{16,}|gl(?:c|sa)_[\w+/=]{16,}|PMAK-[\w-]{16,}|ATATT3[\w=-]{16,}",
            r"SEC[0-9a-f]{64}",  # DingTalk
            r"AGE-SECRET-KEY-1[A-Z0-9]{16,}|\d{8,10}:AA[\w-]{30,40}",  # age, Telegram
        ]
    )
    + r")|(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]*){1,4}"  # JSON web tokens
)
_AMAZON_ID = re.compile(r"A(?:KI|SI)A[A-Z0-9]{12}")
_AMAZON_SECRET = re.compile(
    r"(?<![\w+/=])(?=[\w+/]{0,39}[a-z])(?=[\w+/]{0,39}\d)[A-Za-z0-9+/]{40}(?![\w+/=])"
)
_HOOK = re.compile(
    r"(hooks\.slack\.com/\w{1,20}/|discord(?:app)?\.com/api/webhooks/|api\.telegram\.org/bot"
    r"|webhook\.office\.com/webhookb2/|open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/)"
    r"[^\s\"'<>?#]+"
)
_BEARER = re.compile(r"\b(Bearer[ \t]{1,4})((?=[A-Za-z._~+/=-]{0,200}\d)[\w.~+/=-]{8,})", re.I)
_BASIC = re.compile(r"\b(Basic[ \t]{1,4})([A-Za-z0-9+/_-]{6,}={0,2})", re.I)

_RUN = re.compile(r"[^\s\"'<>`]+")
_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://")
_QUERY = re.compile(r"\?[\w.-]+=")
_TAKE_PASSWORDS = (  # schemes whose URLs often hold a password
    "amqp", "clickhouse", "db2", "ftp", "ldap", "maria", "mongo", "mssql", "mysql", "oracle",
    "postgres", "redis", "sftp", "smtp",
)  # fmt: skip
_ONLY_A_USER = re.compile(r"[a-z][a-z_.-]{0,31}")
_USER = re.compile(r"(?:^|(?<=[=(,;\[{|]))([A-Za-z][\w.+@-]*):(?=[^:@])")
_HOST = re.compile(r"(?!sha\d+:)(?:[A-Za-z][\w.-]*|\d+(?:\.\d+){3}|\[[0-9a-f:]+\])(\(|:\d|/)?")
# words before a colon that precede an e-mail address, an image or a package
_NO_USERS = {
    "acct", "assignee", "author", "bcc", "by", "cc", "contact", "docker", "email", "from", "image",
    "login", "mail", "mailto", "maintainer", "name", "npm", "owner", "package", "pkg", "reviewer",
    "sip", "to", "workspace", "xmpp",
}  # fmt: skip


def without_key_blocks(text: str) -> str:
    """Redact PEM private keys; a truncated one up to the end of the text."""
    return _PEM.sub(REDACTED, text) if "PRIVATE KEY" in text else text


def without_tokens(text: str) -> str:
    """Redact tokens with the prefix of a known service, webhooks, and Bearer and Basic headers.

    Example:
        >>> without_tokens("Authorization: Bearer 0a1b2c3d4e")
        'Authorization: Bearer <redacted>'
    """
    if _AMAZON_ID.search(text):
        text = _AMAZON_SECRET.sub(REDACTED, text)
    text = _HOOK.sub(rf"\1{REDACTED}", _TOKEN.sub(REDACTED, text))
    return _BASIC.sub(_basic, _BEARER.sub(rf"\1{REDACTED}", text))


def _basic(found: "re.Match[str]") -> str:
    """Redact the header if it decodes to user and password, unlike "basic training"."""
    head, value = found.groups()
    try:
        padded = value + "=" * (-len(value) % 4)
        holds = b":" in base64.b64decode(padded, altchars=b"-_" if "-" in value else None)
    except (binascii.Error, ValueError):
        holds = False
    return f"{head}{REDACTED}" if holds else found[0]


def without_credentials(text: str) -> str:
    """Redact user and password in URLs, and the password in ``user:password@host``.

    A user name alone is kept unless it may be a token: ``ssh://git@host``.

    Example:
        >>> without_credentials("from https://me:pa/s@s@host/db to ssh://git@host")
        'from https://<redacted>@host/db to ssh://git@host'
        >>> without_credentials("me:s3cret@host:5432/db")
        'me:<redacted>@host:5432/db'
    """
    return _RUN.sub(lambda run: _in_run(run[0]) if "@" in run[0] else run[0], text)


def _in_run(run: str) -> str:
    schemes = list(_SCHEME.finditer(run))
    if not schemes:
        return _without_scheme(run)
    ends = [*(scheme.start() for scheme in schemes[1:]), len(run)]
    parts = [run[: schemes[0].start()]]
    for scheme, end in zip(schemes, ends, strict=True):
        parts += [scheme[0], _after_scheme(run[scheme.end() : end], scheme[0].lower())]
    return "".join(parts)


def _after_scheme(address: str, scheme: str) -> str:
    end = _end_of_user_info(address, scheme)
    if end < 0 or _ONLY_A_USER.fullmatch(address[:end]):
        return address
    return REDACTED + address[end:]


def _end_of_user_info(address: str, scheme: str) -> int:
    """Find the ``@`` that ends user and password; a password may hold any of ``/ @ : ? #``."""
    first = address.find("@")
    if first < 0 or address.startswith("sha256:", first + 1):
        return -1
    head = re.split("[/?#]", address, maxsplit=1)[0]
    query = _QUERY.search(address, first)
    last = address.rfind("@", 0, query.start() if query else None)
    if first < len(head):
        in_head = head.rfind("@")
        return last if ":" in head[:in_head] else in_head
    host, colon, port = head.rpartition(":")
    if not colon or head.startswith("["):
        return -1  # no password: the path holds the @
    if not port.isdigit() or address[len(head)] == "#":
        return last
    if looks_secret(address[len(head) : last]):
        return last
    # a port, and an @ in the path; or, in URLs of databases, a password such as 12/ab
    certain = "." in host or host == "localhost" or "/@" in address
    return -1 if certain or not scheme.startswith(_TAKE_PASSWORDS) else last


def _without_scheme(run: str) -> str:
    user = _USER.search(run)
    at = run.rfind("@")
    if user is None or user.end() >= at or user[1].lower() in _NO_USERS:
        return run
    password, host = run[user.end() : at], _HOST.match(run, at + 1)
    if host is None or password.startswith("//") or not re.search("[A-Za-z]", password):
        return run
    if "@" in user[1] and not (host[1] and re.search(r"\d", password)):
        return run  # user@host:path@revision
    telling = len(password) >= 6 and re.search(r"[^A-Za-z._-]", password)
    return f"{run[: user.end()]}{REDACTED}{run[at:]}" if host[1] or telling else run
