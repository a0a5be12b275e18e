"""Requests on a fixed schedule: latency counts from the moment a request was due.

So a service that stalls cannot hide it by slowing its clients.
"""

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CONNECTIONS = 8


@dataclass
class Load:
    """What came of one round: seconds of each request, and what was answered."""

    seconds: list[float] = field(default_factory=list)
    answers: dict[int, set[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def p(self, percent: int) -> float:
        """A percentile, in milliseconds."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1] * 1000


async def send(url: str, body: bytes, rate: float, seconds: float, go_on: Callable[[], bool]) -> Load:
    """Send requests when they are due, over a few connections that are kept open.

    Parameters
    ----------
    seconds, go_on : how long at least, and for how much longer.
    """
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    message, load, least = head.encode() + body, Load(), int(rate * seconds)
    begin = time.perf_counter() + 0.1

    async def client(place: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in itertools.count(place, CONNECTIONS):
            if number >= least and not go_on():
                break
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(message)
            header = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(header.split("content-length:")[1].split("\r\n")[0])
            content = await reader.readexactly(length)
            load.seconds.append(time.perf_counter() - due)
            if " 200 " not in header.split("\r\n")[0]:
                load.failures.append(content.decode()[:200])
                continue
            reply = json.loads(content)
            load.answers.setdefault(reply["model_version"], set()).add(json.dumps(reply["probabilities"]))
        writer.close()

    await asyncio.gather(*(client(place) for place in range(CONNECTIONS)))
    return load
