"""Bodies of requests to the explorer, and how the tests send them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from modelcollapse.explore import server

BODY: dict[str, Any] = {
    "source": {"preset": "rare"}, "regime": "replace", "share": 0.2, "temperature": 1, "size": 20, "generations": 6, "seed": 3,
}  # fmt: skip
TEXT: dict[str, Any] = {
    "text": {"own": "\n\n".join(f"the cat and the dog {word} on the mat, and the cat {word} too." for word in ["sat", "ran", "lay", "sang", "ate", "hid"] * 5)},
    "order": 2, "size": 1000, "regime": "replace", "share": 0.3, "generations": 4, "seed": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[server.Server]:
    """A server on a free port; nothing is compiled ahead."""
    found = server.Server(server.Explorer(), 0)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def ask(
    served: server.Server, name: str, body: Any, method: str = "POST", path: str | None = None, **headers: str | None
) -> tuple[int, dict[str, Any], http.client.HTTPMessage]:
    """Status, answer and headers of a request; a header of None is left out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"X-Token": served.token, "Host": f"127.0.0.1:{served.port}", "Content-Length": str(len(content))}
    given |= {key.replace("_", "-"): value for key, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.putrequest(method, path or f"/api/{name}", skip_host=True)
    for key, value in given.items():
        if value is not None:
            connection.putheader(key, value)
    connection.endheaders(content)
    response = connection.getresponse()
    read = response.read()
    connection.close()
    return response.status, json.loads(read) if read[:1] == b"{" else {"page": read.decode()}, response.headers


def told(served: server.Server, name: str, body: Any) -> dict[str, Any]:
    status, answer, _ = ask(served, name, body)
    assert status == 200
    return answer


def executed(call: str) -> dict[str, Any]:
    """What a call leaves behind, run as a user would paste it."""
    space: dict[str, Any] = {}
    exec(call, space)
    return space
