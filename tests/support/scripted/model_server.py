"""A local HTTP server that speaks Anthropic Messages (with server-sent events) from a script."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

STRUCTURED = "StructuredOutput"
"""The tool through which `claude --json-schema` takes the answer."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One scripted answer: a value for the schema, a text, or an error status."""

    value: Any = None
    text: str | None = None
    status: int = 200
    error: str = "scripted"
    stop_reason: str | None = None
    stall: bool = False
    """Never answer; the connection stays open until the server ends."""
    headers: dict[str, str] = field(default_factory=dict[str, str])


class ModelServer:
    """Answers from the script, its last entry again and again; `requests` holds what was asked."""

    def __init__(self, script: Sequence[Reply]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.asked = threading.Event()
        self._script = list(script)
        self._given = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._ended.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def prompts(self) -> list[str]:
        """The user's text in each request that was not the end of a tool call."""
        return ["\n".join(_texts(request["messages"])) for request in self.requests if not _ends_tool_call(request)]

    def take(self, request: dict[str, Any]) -> Reply:
        with self._lock:
            self.requests.append(request)
            self.asked.set()
            if _ends_tool_call(request):
                return Reply(text="done")
            reply = self._script[min(self._given, len(self._script) - 1)]
            self._given += 1
            return reply

    def stall(self) -> None:
        self._ended.wait(60)


def _texts(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            yield content
        else:
            yield from (block["text"] for block in content if block["type"] == "text")


def _ends_tool_call(request: dict[str, Any]) -> bool:
    content = request["messages"][-1]["content"]
    return not isinstance(content, str) and any(block["type"] == "tool_result" for block in content)


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output quiet."""

        def do_GET(self) -> None:
            self._json(404, _error("not_found_error", "only messages are served"))

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
            if not self.path.split("?")[0].endswith("/v1/messages"):
                self._json(404, _error("not_found_error", self.path))
                return
            reply = server.take(body)
            if reply.stall:
                server.stall()
                self.close_connection = True
            elif reply.status != 200:
                self._json(reply.status, _error(_KINDS.get(reply.status, "api_error"), reply.error), reply.headers)
            elif body.get("stream"):
                self._stream(body, reply)
            else:
                self._json(200, _message(body, reply))

        def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            for name, text in (headers or {}).items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, body: dict[str, Any], reply: Reply) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            for event in _events(_message(body, reply)):
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.close_connection = True

    return Handler


_KINDS = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error", 400: "invalid_request_error"}


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _message(body: dict[str, Any], reply: Reply) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    stop = reply.stop_reason or "end_turn"
    if reply.text is not None:
        content.append({"type": "text", "text": reply.text})
    elif any(tool.get("name") == STRUCTURED for tool in body.get("tools", [])) and reply.stop_reason is None:
        content.append({"type": "tool_use", "id": "toolu_1", "name": STRUCTURED, "input": reply.value})
        stop = "tool_use"
    elif reply.value is not None:
        content.append({"type": "text", "text": json.dumps(reply.value)})
    usage = {"input_tokens": 1200, "output_tokens": 34}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model", "m"),
            "content": content, "stop_reason": stop, "stop_sequence": None, "usage": usage}  # fmt: skip


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": message | {"content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, delta = block | {"text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty, delta = (
                block | {"input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps(block["input"])},
            )
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
           "usage": message["usage"]}  # fmt: skip
    yield {"type": "message_stop"}
