"""The server of the page: on 127.0.0.1 alone, for those who know the token of the address."""

from __future__ import annotations

import hmac
import importlib.resources
import json
import secrets
import sys
import threading
import traceback
import urllib.parse
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from modelcollapse.explore.answers import Explorer, Refusal

HOST = "127.0.0.1"
PORT = 8765
LONGEST = 2 * 2**20
"""Bytes of the body of a request."""
SECONDS = 30
"""How long a connection may stay silent."""
KINDS = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}  # fmt: skip
"""Files of the page that are sent, by the end of their names."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def files() -> dict[str, bytes]:
    """The files of the page by name."""
    folder = importlib.resources.files("modelcollapse") / "explore" / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if any(file.name.endswith(end) for end in KINDS)}


class Server(ThreadingHTTPServer):
    """It listens on ``port`` of this machine, and any free one for 0.

    Raises
    ------
    OSError
        If the port is in use or forbidden, with what to do.
    """

    daemon_threads = True
    # another server on the same port is an error, on every system
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, explorer: Explorer, port: int = PORT) -> None:
        self.explorer, self.token, self.page = explorer, secrets.token_urlsafe(24), files()
        try:
            super().__init__((HOST, port), Handler)
        except OSError as error:
            raise OSError(
                f"port {port} cannot be used ({error.strerror or error}): another program has it, perhaps another "
                "explorer; --port 0 takes any free one"
            ) from None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """What a browser opens."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def hosts(self) -> set[str]:
        """What a request may name as its Host."""
        return {f"{name}:{self.port}" for name in (HOST, "localhost")}

    def knows(self, token: str) -> bool:
        """Whether a token is the one of the address, in a time that does not depend on it."""
        return hmac.compare_digest(token.encode(), self.token.encode())


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "modelcollapse", ""
    timeout = SECONDS
    server: Server

    def do_GET(self) -> None:
        """A file of the page; the page itself only with the token."""
        if not self._trusted():
            return
        path, _, query = self.path.partition("?")
        if path == "/":
            given = urllib.parse.parse_qs(query).get("token", [""])[0]
            if not self.server.knows(given):
                # the page holds no secret; what it asks for is refused, and it says what to do
                return self._send(HTTPStatus.FORBIDDEN, self.server.page["page.html"], KINDS[".html"])
            path = "/page.html"
        name = path[1:]
        if name not in self.server.page:
            return self._fail(HTTPStatus.NOT_FOUND, f"there is no {path}")
        self._send(HTTPStatus.OK, self.server.page[name], KINDS[name[name.rindex(".") :]])

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """A question to the explorer."""
        if not self._trusted():
            return
        if not self.server.knows(self.headers.get("X-Token", "")):
            return self._fail(HTTPStatus.FORBIDDEN, "the token is missing or wrong; open the address that was printed")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or self.headers.get("Transfer-Encoding"):
            return self._fail(HTTPStatus.LENGTH_REQUIRED, "the request must say how long its body is")
        if len(length) > 9 or int(length) > LONGEST:
            return self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request may have {LONGEST} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return
        name = self.path.removeprefix("/api/")
        if name == self.path or name not in self.server.explorer.names:
            return self._fail(HTTPStatus.NOT_FOUND, f"there is no {self.path}")
        try:
            asked = parsed(body)
        except ValueError as error:
            return self._fail(HTTPStatus.BAD_REQUEST, str(error))
        self._answer(name, asked)

    def _answer(self, name: str, asked: dict[str, Any]) -> None:
        try:
            found = self.server.explorer.answer(name, asked)
        except Refusal as refusal:
            found = refusal.answer
        except Exception:
            traceback.print_exc()
            return self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the program; the terminal has its details")
        self._json(HTTPStatus.OK, found)

    def _trusted(self) -> bool:
        """Whether the request was sent to this machine by its own page: no other page may reach it by a name of its
        own.
        """
        origin = self.headers.get("Origin")
        allowed = self.server.hosts()
        hosts = self.headers.get_all("Host") or [""]
        if len(hosts) == 1 and hosts[0] in allowed and (origin is None or origin.removeprefix("http://") in allowed):
            return True
        self._fail(HTTPStatus.FORBIDDEN, f"this server answers http://{HOST}:{self.server.port} alone")
        return False

    def _fail(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what may be left of the body is not read
        self._json(status, {"refused": why})

    def _json(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        # allow_nan: what is not finite is null, or an error of ours
        self._send(status, json.dumps(answer, allow_nan=False, separators=(",", ":")).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (HEADERS | {"Content-Type": kind, "Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object. ValueError for anything else, NaN and Infinity included."""

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not a number of JSON")

    try:
        found = json.loads(body.decode(), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body must be JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"the body must be a JSON object, got {type(found).__name__}")
    return found


def serve(port: int = PORT, *, browser: bool = True) -> None:
    """Serve the page until Ctrl-C, and open it in a browser.

    Parameters
    ----------
    port
        On 127.0.0.1; 0 takes any free one.
    browser
        Whether to open the page in the user's browser.

    Raises
    ------
    OSError
        If the port cannot be used.
    """
    explorer = Explorer()
    server = Server(explorer, port)
    answering = threading.Thread(target=server.serve_forever, name="serve", daemon=True)
    try:
        print(f"The explorer is at {server.address}\nCtrl-C ends it.", flush=True)
        explorer.begin()
        answering.start()
        if browser:  # some browsers return at once, others when they are closed
            webbrowser.open(server.address)
        while answering.is_alive():
            answering.join(1)  # without an end it could not be interrupted everywhere
    except KeyboardInterrupt:
        print("\nThe explorer ends.", flush=True)
    finally:
        if answering.ident is not None:
            server.shutdown()
        server.server_close()
        explorer.end()
