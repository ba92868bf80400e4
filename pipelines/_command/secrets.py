"""Remove secrets from texts and addresses: the only module that recognises them.

Every line that is logged, shown, stored or sent goes through `hide_secrets`, every address that is stored goes through
`without_credentials`. A process that needs the credentials gets them from its own environment.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

HIDDEN = "***"
SHORTEST_SECRET = 6  # a shorter one would blank out ordinary words
_WORDS = "token|secret|passw|pwd|signature|credential|(?:api|access|private|account|shared)_?key"
# Up to the last "@", since keys of stores hold "/" and passwords "@"; "host:8080/..." does not hold a user with a
# password. Every part has a maximum length: a report holds megabytes without a space.
_USER_AND_PASSWORD = re.compile(r"://[^/\s@:]{0,256}:(?!\d{0,5}(?:[/?#]|\s|$))\S{0,2048}@")
_USER = re.compile(r"(?<!ssh)(?<!sftp)://[^/\s]{0,2048}@")
_ENCODED_USER = re.compile(r"%3A%2F%2F[^\s/&]{0,2048}?%40", re.I)
_SCP_PASSWORD = re.compile(r"(?<![\w/])[\w.+-]{1,64}:[^\s:@/]{1,256}@(?=[A-Za-z][\w.-]{0,256}:\S)")
_QUERY = re.compile(
    rf"([?&;][^=&\s]{{0,64}}(?:{_WORDS}|key|auth|sig)[^=&\s]{{0,64}}=)(?!\*\*\*)[^&\s'\"<>)\]]+",
    re.I,
)
_WORD = re.compile(
    rf"(?:{_WORDS})[^\n]{{0,80}}?[=:]|[?&;][^=&\s]{{0,64}}(?:key|auth|sig)[^=&\s]{{0,64}}=|Basic |Bearer |Negotiate ",
    re.I,
)
_ENCODED_QUERY = re.compile(
    rf"((?:%3F|%26)[\w.-]{{0,64}}(?:{_WORDS}|sig)[\w.-]{{0,64}}%3D)[\w.+/~-]+", re.I
)
_SETTING = re.compile(
    r"((?<![\w-])[\w.-]{0,64}"
    r"(?:token(?!s|iz)|secret|passw|pwd|credential|(?:api|access|private|account|shared)_?key)[\w-]{0,64}"
    r"(?:\s{0,8}=\s{0,8}['\"]?|['\"]\s{0,8}:\s{0,8}['\"]))(?!\*\*\*)[^\s'\",;&]+",
    re.I,
)
_HEADER = re.compile(r"((?:Basic|Bearer|Negotiate)\s{1,8})[\w.~+/=-]{8,}|(?<=x-api-key: )\S+", re.I)
_KNOWN_TOKENS = re.compile(
    r"\b(?:gh[opsur]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}|AKIA\w{12,})"
)
_SECRET_NAME = re.compile(r"(?:passw(?:or)?d|secret|credential|(?:api|access)_?key|token)s?$", re.I)
_SECRET_QUERY = re.compile(rf"{_WORDS}|key|auth|sig", re.I)
_SECRET_VARIABLE = re.compile(
    r"(?:PASSWORD|PASSWD|SECRET|SECRET_ACCESS_KEY|TOKEN|API_KEY|AUTH_STRING|ACCOUNT_KEY)$"
)
_KEEPS_ITS_USER = ("ssh", "git+ssh", "ssh+git", "sftp")  # it identifies a key and is not secret


def hide_secrets(text: str, *addresses: str) -> str:
    """Return a text without the secrets in it, and without those of this process's environment.

    Args:
        text: Line, message or content of a file.
        addresses: Further addresses whose passwords are hidden too, as typed and decoded.

    Examples:
        >>> hide_secrets("https://ann:pw@host/a?token=1")
        'https://***@host/a?token=***'
        >>> hide_secrets("no bucket in s3://KEY:SEC/RET@bucket/a")
        'no bucket in s3://***@bucket/a'
    """
    for secret in sorted(_known_secrets(os.environ, addresses), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    # A cheap test first: most texts are long and hold no secret.
    if "://" in text:
        text = _USER.sub(f"://{HIDDEN}@", _USER_AND_PASSWORD.sub(f"://{HIDDEN}@", text))
    if "%40" in text:
        text = _ENCODED_USER.sub(f"%3A%2F%2F{HIDDEN}%40", text)
    if "@" in text:
        text = _SCP_PASSWORD.sub(f"{HIDDEN}@", text)
    if _WORD.search(text):
        for pattern in (_QUERY, _ENCODED_QUERY, _SETTING):
            text = pattern.sub(rf"\1{HIDDEN}", text)
        text = _HEADER.sub(lambda found: f"{found[1] or ''}{HIDDEN}", text)
    return _KNOWN_TOKENS.sub(HIDDEN, text)


def without_credentials(address: str) -> str:
    """Return an address in the form that may be stored: without user, password and tokens in its query.

    The user of an SSH address stays: it says whose key to use.

    Examples:
        >>> without_credentials("https://ann:pw@host/a.git?depth=1&token=x")
        'https://host/a.git?depth=1'
        >>> without_credentials("git@host:team/a.git"), without_credentials("ssh://git:pw@host/a.git")
        ('git@host:team/a.git', 'ssh://git@host/a.git')
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return re.sub(r"^([^\s:@/]+):[^\s@/]+@(?=[^/\s]+:\S)", r"\1@", address)
    userinfo, host = _split_userinfo(rest)
    user = userinfo.partition(":")[0] if scheme.lower() in _KEEPS_ITS_USER else ""
    place, mark, query = host.partition("?")
    kept = [
        item for item in query.split("&") if not _SECRET_QUERY.search(unquote(item.split("=")[0]))
    ]
    query = f"{mark}{'&'.join(kept)}" if kept and mark else ""
    return f"{scheme}://{user}{'@' if user else ''}{place}{query}"


def has_credentials(address: str) -> bool:
    """Tell whether an address holds credentials and so must not be stored."""
    return without_credentials(address) != address


def secrets_of(address: str) -> set[str]:
    """Return the passwords and tokens of an address, as written and decoded."""
    _, separator, rest = address.partition("://")
    if not separator:
        return set()
    userinfo, host = _split_userinfo(rest)
    user, _, password = userinfo.partition(":")
    found = {password or user} if address.startswith(("http", "git")) else {password}
    found |= {
        value for name, value in parse_qsl(host.partition("?")[2]) if _SECRET_QUERY.search(name)
    }
    found |= {unquote(one) for one in found} | {quote(one, safe="") for one in found}
    return {one for one in found if len(one) >= SHORTEST_SECRET}


def is_secret_name(name: str) -> bool:
    """Tell whether a parameter of this name is never sent.

    Examples:
        >>> is_secret_name("data.api_key"), is_secret_name("model.key_channels")
        (True, False)
    """
    return bool(_SECRET_NAME.search(name))


def has_secret(value: Any) -> bool:
    """Tell whether a value, or one nested in it, holds a secret or has the name of one."""
    if isinstance(value, Mapping):
        return any(
            (is_secret_name(str(key)) and bool(item)) or has_secret(item)
            for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return any(map(has_secret, value))
    return isinstance(value, str) and hide_secrets(value) != value


def _split_userinfo(rest: str) -> tuple[str, str]:
    """Split what follows `://` into user with password, and host with path."""
    found = _USER_AND_PASSWORD.match(f"://{rest}") or _USER.match(f"://{rest}")
    if found is None:
        return "", rest
    return found[0][3:-1], rest[len(found[0]) - 3 :]


def _known_secrets(environment: Mapping[str, str], addresses: tuple[str, ...]) -> Iterator[str]:
    for name, value in environment.items():
        if _SECRET_VARIABLE.search(name) and len(value) >= SHORTEST_SECRET:
            yield value
            if ":" in value:  # PREFECT_API_AUTH_STRING is user:password
                yield from (part for part in value.split(":")[1:] if len(part) >= SHORTEST_SECRET)
        elif "://" in value:
            yield from secrets_of(value)
    for address in addresses:
        yield from secrets_of(address)
