"""An npm registry on loopback that has codex in small packages, for the real npm."""

import base64
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1, sha512
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from tests.support.base.required import missing
from tests.support.provision.packages import HERE, make_package

from remora.core.server.platforms import codex_build

NAME = "@openai/codex"


@dataclass(slots=True)
class NpmRegistry:
    """`environment` makes npm ask here and nowhere else; `asked` are the paths that were asked for. An archive in
    `described` is the one whose digest is told, whatever is handed out."""

    scratch: Path
    port: int = 0
    tarballs: dict[str, bytes] = field(default_factory=dict)
    described: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """For whoever runs npm."""
        return {
            "npm_config_registry": f"http://127.0.0.1:{self.port}/",
            "npm_config_cache": str(self.scratch / "npm-cache"),
            "npm_config_userconfig": str(self.scratch / "npmrc"),
            "npm_config_fetch_retries": "0",
        }

    def publish(self, version: str, *, content: str = "") -> None:
        """A package for this machine's platform; with more `content` it is another one under the same number."""
        build = codex_build(HERE.os, HERE.architecture)
        program = make_package(self.scratch / f"npm-{version}", version)
        root = program.parent.parent
        if content:
            (root / "bin" / "more").write_text(content)
        number = f"{version}-{build.npm_tag}"
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            described = json.dumps({"name": NAME, "version": number}).encode()
            entry = tarfile.TarInfo("package/package.json")
            entry.size = len(described)
            tar.addfile(entry, io.BytesIO(described))
            for file in sorted(root.rglob("*")):
                if file.is_file():
                    tar.add(file, f"package/vendor/{build.target}/{file.relative_to(root)}")
        self.tarballs[number] = data.getvalue()

    def answer(self, path: str) -> bytes | None:
        """What the registry says at `path`."""
        self.asked.append(path)
        if path == f"/{NAME}":
            return json.dumps(self._document()).encode()
        return self.tarballs.get(path.removeprefix("/tarballs/"))

    def _document(self) -> dict[str, object]:
        plain = {number.split("-")[0] for number in self.tarballs}
        told = {**self.tarballs, **self.described}
        versions = {number: self._version(number, told.get(number, b"")) for number in {*plain, *told}}
        newest = max(plain, key=lambda number: [int(part) for part in number.split(".")], default="")
        return {"name": NAME, "dist-tags": {"latest": newest}, "versions": versions}

    def _version(self, number: str, data: bytes) -> dict[str, object]:
        integrity = f"sha512-{base64.b64encode(sha512(data).digest()).decode()}"
        tarball = f"http://127.0.0.1:{self.port}/tarballs/{number}"
        shasum = sha1(data).hexdigest()  # noqa: S324 - as registries have it
        return {"name": NAME, "version": number, "dist": {"tarball": tarball, "shasum": shasum, "integrity": integrity}}


@contextmanager
def npm_registry(scratch: Path) -> Iterator[NpmRegistry]:
    """One that listens inside the block and has nothing yet."""
    if shutil.which("npm") is None:
        missing("npm is not installed")
    registry = NpmRegistry(scratch)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = registry.answer(unquote(self.path))
            self.send_response(404 if said is None else 200)
            self.send_header("Content-Length", str(len(said or b"")))
            self.end_headers()
            self.wfile.write(said or b"")

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as it is inherited
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        registry.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, name="npm-registry")
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
