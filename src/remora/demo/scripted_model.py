"""A model that follows a script: an HTTP endpoint that the real app server takes for its model provider.

It serves ``GET …/v1/models`` and ``POST …/v1/responses`` (server-sent events) on 127.0.0.1 only, below a
path that cannot be guessed. What is said comes from :mod:`remora.demo.script`.
"""

import json
import secrets
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from remora.demo.script import (
    CallTool,
    Chunks,
    Fail,
    Gate,
    Patch,
    RunCommand,
    Say,
    Script,
    Step,
    UpdatePlan,
    Wait,
    conversation_of,
    position_of,
)

__all__ = [
    "CallTool",
    "Chunks",
    "Fail",
    "Gate",
    "ModelRequest",
    "Patch",
    "RunCommand",
    "Say",
    "ScriptedModel",
    "Step",
    "UpdatePlan",
    "Wait",
]

_LARGEST_REQUEST: Final = 512 * 1024 * 1024
_REQUESTS_KEPT: Final = 256
_CONNECTIONS: Final = 32
_HOLD_LIMIT: Final = 120.0
_SOCKET_LIMIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request of an app server: its thread, how many steps it has behind it, and the whole body."""

    conversation: str
    position: int
    body: Mapping[str, Any]

    @property
    def tool_outputs(self) -> list[str]:
        """What the tools answered so far, oldest first."""
        return [_text(item.get("output")) for item in self.body.get("input", []) if "output" in item]

    @property
    def user_texts(self) -> list[str]:
        """The texts that came from the user's side, oldest first; the server adds context of its own."""
        messages = (item for item in self.body.get("input", []) if item.get("role") == "user")
        return [_text(message.get("content")) for message in messages]


class ScriptedModel:
    """A running endpoint, as a context manager; on leaving, its port and threads are gone.

    Every conversation (thread of the app server) goes through `steps` from the beginning; after the last
    step the model says that the script is over. The endpoint runs in threads and never blocks a loop.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._script = Script(steps)
        self._requests: deque[ModelRequest] = deque(maxlen=_REQUESTS_KEPT)
        self._path = f"/{secrets.token_urlsafe(16)}/v1"
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="scripted-model")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for gate in self._script.gates():
            gate.open()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """What an app server's configuration names as the provider's address."""
        return f"http://127.0.0.1:{self._server.server_port}{self._path}"

    @property
    def requests(self) -> list[ModelRequest]:
        """The requests so far, oldest first; the last 256 are kept."""
        return list(self._requests)

    def codex_config(self) -> str:
        """The text of a ``config.toml`` that makes this the model and keeps codex off the network."""
        return _CONFIG.format(base_url=self.base_url)

    def furnish(self, codex_home: Path, settings: str = "") -> None:
        """Write ``config.toml`` into `codex_home`, and a catalogue with the model, so that codex knows it.

        Without the catalogue codex warns that it does not know the model. `settings` are more top-level
        lines of the configuration.
        """
        codex_home.mkdir(mode=0o700, parents=True, exist_ok=True)
        catalogue = codex_home / "scripted-models.json"
        catalogue.write_text(json.dumps({"models": [_CATALOGUE_ENTRY]}))
        lines = f"model_catalog_json = {json.dumps(str(catalogue))}\n{settings.rstrip()}\n"
        (codex_home / "config.toml").write_text(lines + self.codex_config())

    def respond(self, path: str, body: bytes) -> "Fail | Iterator[dict[str, Any] | Gate] | None":
        """The answer to one POST: a failure, the events of an answer, or `None` for a path that is not ours."""
        if path != f"{self._path}/responses":
            return None
        request = json.loads(body)
        self._requests.append(ModelRequest(conversation_of(request), position_of(request), request))
        return self._script.failure(request) or self._script.answer(request)

    def knows(self, path: str) -> bool:
        """Whether a GET asks for the list of models."""
        return path.partition("?")[0] == f"{self._path}/models"


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        self._room = threading.BoundedSemaphore(_CONNECTIONS)
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            super().shutdown_request(request)
            return
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        if request in self._open:
            self._open.discard(request)
            self._room.release()
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Break what is still open, so that no handler waits for a peer."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of what tests do; it is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SOCKET_LIMIT

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Print nothing."""

    def do_GET(self) -> None:
        if self.server.model.knows(self.path):
            self._send_json(200, {"object": "list", "data": [], "models": []})
        else:
            self._send_json(404, {"error": {"message": "not found"}})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        if length > _LARGEST_REQUEST:
            self._send_json(413, {"error": {"message": "too large"}})
            return
        answer = self.server.model.respond(self.path, self.rfile.read(length))
        if answer is None:
            self._send_json(404, {"error": {"message": "not found"}})
        elif isinstance(answer, Fail):
            self._send_json(answer.status, {"error": {"message": answer.message}})
        else:
            self._stream(answer)

    def _stream(self, events: Iterator[dict[str, Any] | Gate]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for event in events:
            if isinstance(event, Gate):
                event.hold(_HOLD_LIMIT)
            else:
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def _send_json(self, status: int, document: Mapping[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return json.dumps(content)


# Everything under [features] that would fetch something or add tools the script does not use is off; a
# generation that does not know a name ignores it.
_CONFIG: Final = """\
model = "scripted"
model_provider = "scripted"
check_for_update_on_startup = false
web_search = "disabled"

[model_providers.scripted]
name = "scripted"
base_url = "{base_url}"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
supports_websockets = false

[analytics]
enabled = false

[features]
apps = false
enable_request_compression = false
plugins = false
remote_plugin = false

[tools.update_plan]
enabled = true
"""

_CATALOGUE_ENTRY: Final = {
    "slug": "scripted",
    "display_name": "Scripted model",
    "description": "A model that follows a script.",
    "base_instructions": "Follow the script.",
    "default_reasoning_level": "low",
    "supported_reasoning_levels": [{"effort": "low", "description": "The script"}],
    "supports_reasoning_summaries": False,
    "support_verbosity": False,
    "default_verbosity": None,
    "shell_type": "unified_exec",
    "apply_patch_tool_type": "freeform",
    "supports_parallel_tool_calls": False,
    "experimental_supported_tools": [],
    "input_modalities": ["text", "image"],
    "truncation_policy": {"mode": "bytes", "limit": 10_000},
    "context_window": 272_000,
    "visibility": "list",
    "supported_in_api": True,
    "priority": 1,
    "availability_nux": None,
    "upgrade": None,
}
