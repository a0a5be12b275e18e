"""The source's replies, good and bad, over real HTTP."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.errors import SourceError, SourceExhausted, SourceRejected
from pipeline.source import SourceClient, parse_delivery
from pipeline.use_case import UseCase

Respond = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    respond: Respond
    paths: list[str]


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listener.paths.append(self.path)
            listener.respond(self)

        def log_message(self, *_: Any) -> None:
            """Keep the test's output readable."""

    listener = Server(("127.0.0.1", 0), Handler)
    listener.paths = []
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield listener
    listener.shutdown()
    listener.server_close()
    thread.join()


def answer(status: int, body: bytes, length: int | None = None) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def client(server: Server, **options: Any) -> SourceClient:
    return SourceClient(f"http://127.0.0.1:{server.server_port}/", **options)


def test_fetch_returns_the_body_untouched(server: Server, penguins: UseCase) -> None:
    body = b'{"group_number": 6,   "batch_number": 3, "data": []} '
    server.respond = answer(200, body)

    assert client(server, group_number=6, day="Tuesday").fetch(penguins) == body
    assert client(server).fetch(penguins) == body
    assert server.paths == ["/penguins/data?group_number=6&day=Tuesday", "/penguins/data?group_number=1"]


def test_restart_asks_for_it(server: Server, covertype: UseCase) -> None:
    server.respond = answer(200, b'{"ok": true}')

    client(server, group_number=4).restart(covertype)

    assert server.paths == ["/restart_data_generation?group_number=4"]


@pytest.mark.parametrize(
    ("status", "detail", "error", "says"),
    [
        (400, "Ya se recolectó toda la información minima necesaria", SourceExhausted, "last batch"),
        (400, "ya se recolectó toda la información mínima necesaria ", SourceExhausted, "last batch"),
        (400, "Número de grupo inválido", SourceRejected, "Número de grupo inválido"),
        (422, [{"loc": ["query", "group_number"]}], SourceRejected, "group_number"),
        (404, "Not Found", SourceRejected, "404"),
        (429, "slow down", SourceError, "429"),
        (500, "oops", SourceError, "500: oops"),
        (503, "starting", SourceError, "503"),
    ],
)
def test_only_the_detail_tells_refusals_apart(
    server: Server, covertype: UseCase, status: int, detail: Any, error: type[Exception], says: str
) -> None:
    server.respond = answer(status, json.dumps({"detail": detail}).encode())

    with pytest.raises(error, match=says):
        client(server).fetch(covertype)


def test_a_failure_without_json_is_reported(server: Server, covertype: UseCase) -> None:
    server.respond = answer(502, b"<html>Bad gateway</html>")

    with pytest.raises(SourceError, match="Bad gateway"):
        client(server).fetch(covertype)


def test_a_reply_that_breaks_off_is_no_delivery(server: Server, covertype: UseCase) -> None:
    server.respond = answer(200, b'{"group_number": 1, "batch', length=1000)

    with pytest.raises(SourceError, match="broke off"):
        client(server).fetch(covertype)


def test_a_silent_source_times_out(server: Server, covertype: UseCase) -> None:
    done = threading.Event()

    def wait(_: BaseHTTPRequestHandler) -> None:
        done.wait(10)

    server.respond = wait

    with pytest.raises(SourceError, match=r"did not answer within 0\.2 s"):
        client(server, timeout=0.2).fetch(covertype)
    done.set()


def test_an_absent_source_is_named(covertype: UseCase) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        with pytest.raises(SourceError, match=rf"{url}/data is unreachable, check SOURCE_URL"):
            SourceClient(url).fetch(covertype)


def test_a_delivery_is_read_as_it_came() -> None:
    delivery = parse_delivery(b'{"group_number": 6, "batch_number": 3, "data": [["1", 2, null], "odd"], "more": 1}')

    assert (delivery.group_number, delivery.batch_number) == (6, 3)
    assert delivery.rows == [["1", 2, None], "odd"]


def test_an_absurd_integer_is_left_to_validation() -> None:
    digits = "9" * 5000

    assert parse_delivery(f'{{"group_number": 1, "batch_number": 1, "data": [[{digits}]]}}'.encode()).rows == [[digits]]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b'{"group_number": 1, "da', r"\(23 bytes\) is not valid JSON"),
        (b"\xff\xfe\xfa", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "must be a JSON object, found list"),
        (b'{"group_number": 1, "batch_number": 1}', "'data' .* must be a list of rows, found nothing"),
        (b'{"group_number": 1, "batch_number": 1, "data": {}}', "found {}"),
        (b'{"batch_number": 1, "data": []}', "'group_number' .* found nothing"),
        (b'{"group_number": 1, "batch_number": null, "data": []}', "'batch_number' .* found None"),
        (b'{"group_number": true, "batch_number": 1, "data": []}', "'group_number' .* found True"),
        (b'{"group_number": 1, "batch_number": -1, "data": []}', "'batch_number' .* found -1"),
    ],
)
def test_an_unreadable_reply_says_what_is_wrong(body: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        parse_delivery(body)
