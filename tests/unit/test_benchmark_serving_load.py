"""What the serving benchmark takes for an answer."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks.serving_load import post_until


@pytest.fixture
def answers() -> Iterator[tuple[str, list[int]]]:
    """A server's address, and the statuses that it answers with, one after the other."""
    statuses: list[int] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to the terminal."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", statuses
        server.shutdown()
        thread.join()


def test_a_refused_body_ends_the_benchmark(answers: tuple[str, list[int]]) -> None:
    url, statuses = answers
    statuses += [200, 429, 200]
    with pytest.raises(SystemExit, match="429"):
        post_until(threading.Event(), url, b"body", "text/plain")
    assert statuses == [200]
