"""Who may use a server, and through which host name."""

import base64
import binascii
import hmac
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocrnet.errors import ParamsError

VARIABLE = "OCRNET_SERVE_PASSWORD"
SHORTEST, LONGEST = 12, 256  # characters of a password


@dataclass(frozen=True)
class Access:
    """The password of a server, and whether only this machine can reach it.

    Args:
        password: Password; None: none is asked for.
        loopback: Whether the server listens on an address of this machine alone.
    """

    password: str | None
    loopback: bool

    def allows(self, authorization: str | None) -> bool:
        """Tell whether a header `Authorization` holds the password, as Basic with any user or as Bearer."""
        if self.password is None:
            return True
        given = _secret_of(authorization or "")
        # Digests have one length, so that the time of the comparison tells nothing about the password.
        return given is not None and hmac.compare_digest(
            _digest(given), _digest(self.password.encode())
        )

    def is_own_name(self, host: str) -> bool:
        """Tell whether a header `Host` may name this server.

        A page of another site can reach a server of this machine under a name of its own, which resolves to this
        machine. With a password that does not help it.
        """
        return not self.loopback or self.password is not None or is_loopback(_name_of(host))


def find_access(
    host: str, password_file: Path | None, environ: Mapping[str, str] = os.environ
) -> Access:
    """Return the access to a server on an address.

    Args:
        host: Address or name that the server listens on.
        password_file: File whose first line is the password; None: the variable `OCRNET_SERVE_PASSWORD`.
        environ: Variables of the environment.

    Raises:
        ParamsError: The password is missing although others can reach the address, or it is not usable.
    """
    loopback = is_loopback(host)
    if password_file is not None:
        return Access(_read(password_file), loopback)
    if found := environ.get(VARIABLE, ""):
        return Access(_checked(found, VARIABLE), loopback)
    if not loopback:
        raise ParamsError(
            f"--host: found {host!a}, which other machines can reach, but no password. Give --password-file FILE "
            f"or set {VARIABLE}; or listen on 127.0.0.1."
        )
    return Access(None, loopback)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address.

    Examples:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
        (True, True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise ParamsError(
            f"--password-file: {path}: {reason}. Give a file with the password in it."
        ) from None
    return _checked(lines[0] if lines else "", f"--password-file: {path}")


def _checked(password: str, place: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST or not password.isprintable():
        raise ParamsError(
            f"{place}: found a password of {len(password)} characters. Give {SHORTEST} to {LONGEST} that can be "
            "printed, such as those of: openssl rand -base64 24"
        )
    return password


def _secret_of(authorization: str) -> bytes | None:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1", "replace")
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return password


def _digest(text: bytes) -> bytes:
    return hmac.digest(b"ocrnet serve", text, "sha256")


def _name_of(host: str) -> str:
    """Return the name in a header `Host`, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
