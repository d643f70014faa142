"""HTTP requests against servers of this test: status, headers, limits, redirects and certificates."""

from __future__ import annotations

import datetime
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, override

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ftl2_enterprise.adapters.hosts.remote.observing.http import expiry
from ftl2_enterprise.adapters.hosts.remote.observing.subjects import observe
from tests.support.processes.sshd import free_port

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Records what it receives in `seen` of its server."""

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        server: Any = self.server
        server.seen.append((self.command, self.path, dict(self.headers)))
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.end_headers()
            return
        self.send_response(503 if self.path == "/down" else 200)
        self.send_header("X-One", "1")
        self.send_header("Set-Cookie", "session=secret")
        self.send_header("Content-Length", "10")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"0123456789")

    do_HEAD = do_POST = do_DELETE = do_GET


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Generator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Any]:
    with serving() as started:
        yield started


def address(server: Any, path: str = "/", scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.server_port}{path}"


def test_status_headers_and_body(server: Any) -> None:
    found = observe("http", {"url": address(server, "/a?b=c"), "headers": {"X-Mine": "yes"}})
    assert (found["reached"], found["status"], found["body"], found["truncated"]) == (True, 200, "0123456789", False)
    assert (found["headers"]["x-one"], found["changed"]) == ("1", False)
    assert "set-cookie" not in found["headers"]
    ((method, path, headers),) = server.seen
    assert (method, path, headers["X-Mine"]) == ("GET", "/a?b=c", "yes")


def test_a_limit_of_the_body_and_head(server: Any) -> None:
    found = observe("http", {"url": address(server), "body": 4})
    assert (found["body"], found["truncated"]) == ("0123", True)
    assert observe("http", {"url": address(server), "method": "HEAD"})["body"] == ""
    assert [method for method, _, _ in server.seen] == ["GET", "HEAD"]


def test_an_error_of_the_server_is_a_result(server: Any) -> None:
    assert observe("http", {"url": address(server, "/down")})["status"] == 503


def test_a_server_that_is_down_is_a_result() -> None:
    found = observe("http", {"url": f"http://127.0.0.1:{free_port()}/"})
    assert (found["reached"], found["status"], found["error"]) == (False, None, "Connection refused")
    assert "failed" not in found


def test_redirects_are_followed_within_a_limit_and_only_to_http(server: Any) -> None:
    found = observe("http", {"url": address(server, "/to?/end")})
    assert (found["status"], found["url"]) == (200, address(server, "/end"))
    assert observe("http", {"url": address(server, "/to?/end"), "redirects": 0})["status"] == 302
    loop = observe("http", {"url": address(server, f"/to?{address(server, '/to?/to?x')}"), "redirects": 1})
    assert loop["error"] == "more than 1 redirects"
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/"):
        assert observe("http", {"url": address(server, f"/to?{target}")})["status"] == 302


def test_headers_are_for_the_first_server_only(server: Any) -> None:
    with serving() as other:
        observe("http", {"url": address(server, f"/to?{address(other)}"), "headers": {"Authorization": "Bearer x"}})
        ((_, _, headers),) = other.seen
    assert "Authorization" not in headers


def test_no_proxy_is_used(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert observe("http", {"url": address(server)})["status"] == 200


def certified(folder: Path, ends: datetime.datetime) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(ends - datetime.timedelta(days=900)).not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "pair.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("days", [-3, 40, 365 * 40])
def test_the_end_of_a_certificate_is_reported_whether_or_not_it_is_valid(tmp_path: Path, days: int) -> None:
    ends = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=days, hours=1)
    with serving(certified(tmp_path, ends)) as server:
        url = address(server, scheme="https")
        refused, accepted = observe("http", {"url": url}), observe("http", {"url": url, "verify": False})
    assert (refused["reached"], refused["certificate"]["days_left"]) == (False, days)
    assert refused["error"].startswith("the certificate is not valid: ")
    assert (accepted["status"], accepted["certificate"]["verified"]) == (200, False)
    assert accepted["certificate"]["expires"] == ends.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("data", [b"", b"0", b"\x30\x82\xff\xff", b"\x30\x03\x02\x01\x01", bytes(range(64))])
def test_a_certificate_that_cannot_be_read(data: bytes) -> None:
    assert expiry(data) is None


def test_a_server_that_does_not_answer_ends_in_time() -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        found = observe("http", {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": 1})
    assert (found["reached"], found["error"]) == (False, "no response in time")
    assert time.monotonic() - started < 30
