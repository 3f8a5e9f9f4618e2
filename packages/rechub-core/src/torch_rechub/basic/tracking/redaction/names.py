"""Recognizes names of secrets with a small grammar of the names that tools use.

A name is split into words (`dbPassword1`, `client-secret`, `smtppass`). The last noun that can name
a secret decides; the words before it give its kind (`access_token`, `cls_token`), the words after
it whether the value is the secret itself (`token_value`) or a property of it (`token_length`).
"""

import re
from enum import IntEnum
from functools import lru_cache
from itertools import takewhile


class Grade(IntEnum):
    """How likely the value of a name is a secret."""

    PLAIN = 0
    """Nothing: `num_tokens`, `primary_key`."""
    DOUBTFUL = 1
    """A text that looks like a secret is one: `key`, `token_prefix`."""
    TEXT = 2
    """Any text is a secret, a number is not: `token`."""
    ANY = 3
    """Any text or number is a secret: `password`."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NOUNS = _set(
    "auth authorization bearer cookie cred credential jwt key oauth otp pass passcode passphrase "
    "passwd password pat pin pw pwd secret token tokens totp webhook"
)
# Nouns that name a secret wherever they occur. `secretary` and `secretion` do not contain one.
_STRONG = re.compile(
    r"password|passwd|passphrase|passcode|passkey|passwort|kennwort|credential|apikey|privatekey"
    r"|secret(?!ar[yi]|ions?$|ed$|ive|ly$|ory)"
    r"|^(?:pwd|pword|creds?|t?otp|pin|pincode|authorization|bearer|cookies?|jwt|webhooks?)$"
)
_STRONG_CHINESE = re.compile("密码|口令|密钥|令牌|凭证")

_SERVICES = _set(
    "aliyun anthropic aws azure baidu cloudflare cohere comet dashscope databricks datadog "
    "deepseek discord docker elastic firebase gcp gemini gh github gitlab google groq hf hub "
    "huggingface jira kaggle langchain langsmith mailgun mistral modelscope moonshot neptune "
    "ngrok notion npm openai openrouter pinecone pypi qdrant replicate sendgrid sentry slack "
    "stripe swanlab tavily telegram tencent together twilio wandb weaviate xai zhipu"
)
_ACCESS = _set(
    "access admin api app auth authentication authorization bearer bot client csrf deploy device "
    "encryption identity jwt login master oauth personal private push refresh root sas secret "
    "security service session shared sts user verification webhook xsrf"
)
_BEFORE_TOKEN = _SERVICES | (_ACCESS - {"user"})
_BEFORE_KEY = _SERVICES | _set(
    "access account aes api app auth client consumer decryption deploy encryption fernet gpg "
    "hmac host jwt license master pgp private recovery root rsa secret service session shared "
    "signing ssh ssl storage subscription tls webhook"
)
_BEFORE_PASS = _SERVICES | _set(
    "account admin amqp broker database db email ftp host http https imap kafka ldap login mail "
    "mongo mongodb my mysql pg postgres proxy rabbitmq redis root service sftp smb smtp sql ssh "
    "sudo user vpn wifi"
)
_BEFORE_PAT = _SERVICES | _set("ado devops git my user")
# words before token (of a text), key (of a table) or pass (over data) that make them harmless
_COUNTS = _set("avg count max mean min n num number per total")
_OF_MODELS = _COUNTS | _set(
    "additional audio bad banned begin bos class cls completion context decoder draft encoder "
    "end eos extra first forced generated image img input item kv label last latent learnable "
    "mask masked memory next oov output pad padding patch prefill prev previous prompt query "
    "register reserved semantic sentinel sep sink source special start stop sub subword summary "
    "suppress target text train training unk unknown valid video visual vocab word"
)
_OF_TABLES = _set(
    "attention cache candidate column composite dict feature field foreign group hash index item "
    "join lookup map metric natural object padding partition primary public query registry row "
    "s3 shard sort state surrogate time unique value"
)
_OVER_DATA = _COUNTS | _set(
    "all backward band by compiler eval first forward full high last low multi next one render "
    "second single test third train training two val"
)
_ENDS_OF_PASS = (["code"], ["phrase"], ["wd"], ["word"])  # passWord, pass_phrase
# words after a noun for a property of the secret
_DESCRIBES = _set(
    "age alg algorithm arn attempt audience backend class classes column count dim dir domain "
    "dropout embedding enabled endpoint engine env event expiration expires expiry field file "
    "filename folder format helper hidden id index indices issuer kind label len length level "
    "limit manager mask max method min mixing mode name num number padding path per policy "
    "position prefix process provider rate region required rules scheme scope server service "
    "size sock socket source store strategy strength suffix time timeout ttl type uri url usage "
    "validator var variable version vocab weight"
)
_KEPT_IN = _set("file path prefix suffix")  # names whose value is a secret only by mistake
_ITSELF = _set(
    "b64 base64 bytes content contents current data default dev header hex json live new old "
    "plain prod raw staging str string test text val value values"
)
_QUALIFIERS = {
    "token": _BEFORE_TOKEN | {"id", "user"},
    "key": _BEFORE_KEY,
    "pass": _BEFORE_PASS,
    "pwd": _BEFORE_PASS,
    "pw": _BEFORE_PASS,
    "pat": _BEFORE_PAT,
    "auth": _set("basic http proxy"),
}
_WORDS = re.compile(  # first APIkey and HFtoken: capitals followed by a noun in lower case
    rf"[A-Z]{{2,}}(?=(?:{'|'.join(_NOUNS)})s?(?![a-z]))|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
)
_LOOKS = re.compile(  # ten or more characters with alternating letters and digits
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]{10})(?:[A-Za-z]+\d+[A-Za-z]|\d+[A-Za-z]+\d)"
)
_NO_VALUES = _set("none null nil true false undefined") | {""}
_SCHEMES = _set(
    "basic bearer digest iam jwt kerberos ldap negotiate ntlm oauth oauth2 saml sso token"
)
_LONGEST_NAME = 200


@lru_cache(maxsize=4096)
def grade(name: str) -> Grade:
    """Grade a name by how likely its value is a secret.

    Example:
        >>> [grade(n).name for n in ("dbPassword", "hf_token", "token_prefix", "max_token_length")]
        ['ANY', 'ANY', 'DOUBTFUL', 'PLAIN']
    """
    if _STRONG_CHINESE.search(name):
        return Grade.ANY
    found = _WORDS.findall(name[-_LONGEST_NAME:])
    words = [part for word in found for part in _parts(word.lower())]
    while words and (words[-1] in _ITSELF or words[-1].isdigit()):
        words.pop()
    after = list(takewhile(lambda word: word not in _NOUNS and not _is_strong(word), words[::-1]))
    before = words[: len(words) - len(after)]
    if not before:
        return Grade.PLAIN
    graded = _graded(before.pop(), before, after[::-1])
    return max(graded, Grade.DOUBTFUL) if any(map(_is_strong, before)) else graded


def is_secret_name(name: str) -> bool:
    """Whether any text of this name is a secret.

    Example:
        >>> [is_secret_name(n) for n in ("apiKey", "db_password", "num_tokens", "token_dim")]
        [True, True, False, False]
    """
    return grade(name) >= Grade.TEXT


def looks_secret(text: str) -> bool:
    """Whether a text looks random and is not a URL; it decides for doubtful names.

    Example:
        >>> looks_secret("x7f3q9ab21"), looks_secret("user_id_2"), looks_secret("two words")
        (True, False, False)
    """
    return "://" not in text and " " not in text.strip() and _LOOKS.search(text) is not None


def is_secret(name: str, text: str) -> bool:
    """Whether a text is a secret as the value of this name.

    Example:
        >>> is_secret("token", "abc"), is_secret("token", "30522"), is_secret("pin", "30522")
        (True, False, True)
    """
    found, bare = grade(name), text.strip().lower()
    if bare in _NO_VALUES:
        return False
    if found == Grade.TEXT:
        return not bare.isdigit() and bare not in _SCHEMES
    return found == Grade.ANY or (found == Grade.DOUBTFUL and looks_secret(text))


def _is_strong(word: str) -> bool:
    return _STRONG.search(word) is not None


def _parts(word: str) -> list[str]:
    """Split a word: lower case, compounds separated, nouns in the singular (smtppass, apikeys)."""
    if word in ("keyfile", "keypath", "tokenfile"):
        return [word[:-4], word[-4:]]
    for noun, qualifiers in _QUALIFIERS.items():
        for ending in (noun, f"{noun}s"):
            if word.endswith(ending) and word[: -len(ending)] in qualifiers:
                return [word[: -len(ending)], *_parts(ending)]
    if word.endswith("s") and word[:-1] in _NOUNS and word not in ("pass", "tokens"):
        return [word[:-1]]
    return [word]


def _graded(noun: str, before: list[str], after: list[str]) -> Grade:
    describes = bool(after) and not _DESCRIBES.isdisjoint((after[-1], after[-1].removesuffix("s")))
    kinds = {before[-1], "".join(before[-2:])} if before else set()
    if noun in ("token", "tokens"):
        return _token(noun, kinds, before, after, describes)
    if noun == "key":
        return _key(kinds, before, after, describes)
    if noun in ("pass", "pw", "pat"):
        if (after and after not in _ENDS_OF_PASS) or _OVER_DATA.intersection(before):
            return Grade.PLAIN
        if after:
            return Grade.ANY
        if kinds & _QUALIFIERS[noun]:
            return Grade.ANY
        return Grade.TEXT if not before and noun != "pat" else Grade.DOUBTFUL
    if noun in ("auth", "oauth"):
        return Grade.DOUBTFUL if after else Grade.TEXT
    if noun == "pin":
        return Grade.PLAIN if after and after != ["code"] else Grade.ANY
    return Grade.DOUBTFUL if describes and (noun, *after) != ("secret", "id") else Grade.ANY


def _token(
    noun: str, kinds: set[str], before: list[str], after: list[str], describes: bool
) -> Grade:
    if _COUNTS.intersection(before):
        return Grade.PLAIN
    if kinds & _BEFORE_TOKEN:
        return Grade.DOUBTFUL if describes else Grade.ANY
    if _OF_MODELS.intersection(before) or (describes and after[-1] not in _KEPT_IN):
        return Grade.PLAIN
    if "id" in kinds and not after:
        return Grade.TEXT
    return Grade.DOUBTFUL if after or noun == "tokens" else Grade.TEXT


def _key(kinds: set[str], before: list[str], after: list[str], describes: bool) -> Grade:
    if kinds & _BEFORE_KEY:
        return Grade.DOUBTFUL if describes and after != ["id"] else Grade.ANY
    plain = (_OF_TABLES | _COUNTS) & {*before, *kinds} or (describes and after[-1] not in _KEPT_IN)
    return Grade.PLAIN if plain else Grade.DOUBTFUL
