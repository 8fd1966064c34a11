"""A model endpoint and a login issuer on this machine, which accept or refuse what codex signs in with."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class LoginEndpoint:
    """What it was asked, and what it answers: `refuses` turns every credential away with status 401.

    `entered` tells whether the person has typed the device code in; until then the issuer says "not yet".
    """

    def __init__(self) -> None:
        self.refuses = False
        self.entered = False
        self.asked: list[tuple[str, str | None]] = []
        """Path and Authorization of every request, in order."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                endpoint._serve(self)

            do_POST = do_GET  # noqa: N815 - the standard library's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def credentials(self) -> list[str | None]:
        """What came with requests to the model."""
        return [authorization for path, authorization in self.asked if path.endswith("/responses")]

    def configure(self, codex_home: Path, *, takes_login: bool = True) -> None:
        """Let the codex of that home use this endpoint."""
        codex_home.mkdir(parents=True, exist_ok=True)
        (codex_home / "config.toml").write_text(
            f"""# a person's comment
model = "scripted"
model_provider = "scripted"
chatgpt_base_url = "{self.url}/backend-api"
[model_providers.scripted]
name = "scripted"
base_url = "{self.url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
supports_websockets = false
requires_openai_auth = {str(takes_login).lower()}
"""
        )

    def environment(self) -> dict[str, str]:
        """What makes codex ask this endpoint about access tokens and renewals."""
        return {
            "CODEX_AUTHAPI_BASE_URL": self.url,
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/token",
        }

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers.get("content-length") or 0))
        path = request.path.partition("?")[0]
        self.asked.append((path, request.headers.get("authorization")))
        status, body, kind = self._answer(path)
        request.send_response(status)
        request.send_header("content-type", kind)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _answer(self, path: str) -> tuple[int, bytes, str]:
        if path.endswith("/deviceauth/usercode"):
            return _json({"device_auth_id": "device", "user_code": "ABCD-12345", "interval": "1"})
        if path.endswith("/deviceauth/token"):
            if not self.entered:
                return _json({}, status=403)
            return _json({"authorization_code": "code", "code_challenge": "c", "code_verifier": "v"})
        if path.endswith("/oauth/token") and not (self.refuses and not self.entered):
            token = chatgpt_token(3600)
            return _json({"id_token": token, "access_token": token, "refresh_token": "rt-2"})
        if path.endswith("/oauth/token"):
            return _json({"error": {"code": "refresh_token_expired", "message": "no"}}, status=401)
        if self.refuses:
            error = {
                "message": "Incorrect API key provided",
                "type": "invalid_request_error",
                "code": "invalid_api_key",
            }
            return _json({"error": error}, status=401)
        if path.endswith("/whoami"):
            who = {"email": "a@example.org", "chatgpt_user_id": "u", "chatgpt_account_id": "acc"}
            return _json({**who, "chatgpt_plan_type": "pro", "chatgpt_account_is_fedramp": False})
        if path.endswith("/responses"):
            return 200, _turn(), "text/event-stream"
        return _json({"models": [], "data": []})


def chatgpt_token(seconds: float) -> str:
    """A token that ends in so many seconds, as codex reads it; nobody has signed it."""
    claims = {
        "email": "a@example.org",
        "exp": int(time.time() + seconds),
        "https://api.openai.com/auth": {
            "chatgpt_account_id": "acc",
            "chatgpt_plan_type": "pro",
            "chatgpt_user_id": "u",
        },
    }
    return f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}.c2ln"


def write_chatgpt_login(codex_home: Path, *, seconds: float) -> None:
    """A login by ChatGPT whose token ends in so many seconds."""
    token = chatgpt_token(seconds)
    tokens = {"id_token": token, "access_token": token, "refresh_token": "rt-1", "account_id": "acc"}
    login = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2026-01-01T00:00:00Z"}
    file = codex_home / "auth.json"
    file.write_text(json.dumps(login))
    file.chmod(0o600)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _json(value: dict[str, Any], *, status: int = 200) -> tuple[int, bytes, str]:
    return status, json.dumps(value).encode(), "application/json"


def _turn() -> bytes:
    item = {"type": "message", "role": "assistant", "id": "m", "content": [{"type": "output_text", "text": "ok"}]}
    usage = {"input_tokens": 1, "input_tokens_details": None, "output_tokens": 1, "output_tokens_details": None}
    events: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": {"id": "r"}}),
        ("response.output_item.done", {"item": item}),
        ("response.completed", {"response": {"id": "r", "usage": {**usage, "total_tokens": 2}}}),
    ]
    return "".join(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n" for name, data in events).encode()


@contextmanager
def login_endpoint() -> Iterator[LoginEndpoint]:
    """An endpoint that is gone on leaving."""
    endpoint = LoginEndpoint()
    thread = threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.server.shutdown()
        endpoint.server.server_close()
        thread.join(10)
