"""HTTP requests that only read: GET and HEAD, from the network of this host, without a proxy."""

from __future__ import annotations

import calendar
import http.client
import socket
import ssl
import time
from urllib.parse import urljoin, urlsplit

from ftl2_enterprise.adapters.hosts.remote.observing.moments import iso
from ftl2_enterprise.adapters.hosts.remote.observing.parameters import CannotObserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REDIRECTS = frozenset([301, 302, 303, 307, 308])
AGENT = "ftl2-enterprise"
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18


def http_request(given: dict[str, Any]) -> dict[str, Any]:
    """The response of a server. A server that does not respond is a result, too: `reached` is then false.

    Raises CannotObserve when the request cannot be made at all.
    """
    url = given["url"]
    for _ in range(given["redirects"] + 1):
        found, location = _once(url, given)
        if location is None:
            return {"url": url, **found}
        followed = urljoin(url, location)
        parts = urlsplit(followed)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            return {"url": url, **found}
        if (parts.scheme, parts.netloc) != urlsplit(url)[:2]:
            # Headers may have credentials, which are for the first server only.
            given = {**given, "headers": {}}
        url = followed
    return {"url": url, "reached": False, "status": None, "error": f"more than {given['redirects']} redirects"}


def _once(url: str, given: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise CannotObserve(f"cannot request {url}: the port is not valid") from None
    secure = parts.scheme == "https"
    try:
        connection = _connection(host, port, given, secure=secure)
        connection.connect()
    except (OSError, UnicodeError) as error:
        found: dict[str, Any] = {"reached": False, "status": None, "error": _reason(error)}
        if secure and isinstance(error, ssl.SSLCertVerificationError):
            found["certificate"] = _unverified(host, port, given)
        return found, None
    found = {"reached": True}
    if secure:
        found["certificate"] = _certificate(connection.sock, verified=given["verify"])
    try:
        return _response(connection, parts, given, found)
    except (OSError, http.client.HTTPException) as error:
        return {**found, "reached": False, "status": None, "error": _reason(error)}, None
    finally:
        connection.close()


def _connection(host: str, port: int | None, given: dict[str, Any], *, secure: bool) -> http.client.HTTPConnection:
    if not secure:
        return http.client.HTTPConnection(host, port, timeout=given["timeout"])
    context = ssl.create_default_context()
    if not given["verify"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=given["timeout"], context=context)


def _response(
    connection: http.client.HTTPConnection, parts: Any, given: dict[str, Any], found: dict[str, Any]
) -> tuple[dict[str, Any], str | None]:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request(given["method"], target, headers={"User-Agent": AGENT, **given["headers"]})
    response = connection.getresponse()
    location = response.getheader("Location") if response.status in REDIRECTS and given["redirects"] else None
    if location is not None:
        return {**found, "status": response.status}, location
    limit = given["body"]
    body = response.read(limit + 1) if limit else b""
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    headers.pop("set-cookie", None)
    return {
        **found,
        "status": response.status,
        "reason": response.reason,
        "headers": headers,
        "body": body[:limit].decode("utf-8", "replace"),
        "truncated": len(body) > limit,
    }, None


def _unverified(host: str, port: int | None, given: dict[str, Any]) -> dict[str, Any] | None:
    """The certificate of a server that is not trusted, so that its end can be read."""
    try:
        connection = _connection(host, port, {**given, "verify": False}, secure=True)
        connection.connect()
    except OSError:
        return None
    try:
        return _certificate(connection.sock, verified=False)
    finally:
        connection.close()


def _certificate(secured: Any, *, verified: bool) -> dict[str, Any] | None:
    der = secured.getpeercert(binary_form=True) if secured is not None else None
    expires = expiry(der) if der else None
    if expires is None:
        return None
    return {
        "verified": verified,
        "expires": iso(expires),
        "days_left": int((expires - time.time()) // 86400),
    }


def expiry(der: bytes) -> int | None:
    """When an X.509 certificate ends (RFC 5280, 4.1), in seconds since 1970; None if that cannot be read."""
    try:
        fields = _elements(_elements(_elements(der)[0][1])[0][1])
        start = 1 if fields[0][0] == 0xA0 else 0  # the version is optional
        tag, value = _elements(fields[start + 3][1])[1]
        text = value.decode("ascii")
        if tag == _UTC_TIME:
            text = ("20" if int(text[:2]) < 50 else "19") + text
        elif tag != _GENERALIZED_TIME:
            return None
        return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))
    except (IndexError, ValueError):
        return None


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """The elements of a DER sequence, as tag and content (X.690)."""
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            octets = length & 0x7F
            length = int.from_bytes(data[position : position + octets], "big")
            position += octets
        if position + length > len(data):
            raise ValueError("an element ended early")
        found.append((tag, data[position : position + length]))
        position += length
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no reason given'}"
    if isinstance(error, (TimeoutError, socket.timeout)):
        return "no response in time"
    if isinstance(error, socket.gaierror):
        return "the name of the server is unknown"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) or type(error).__name__
