"""Ask a service over HTTP whether it works, with nothing but the standard library: images carry no curl.

Usage: ``python -SE healthcheck.py URL [KEY=VALUE]``; the reply must have a status below 400 and, where asked for,
hold VALUE at KEY (a dotted path) of its JSON.
"""

import http.client
import json
import sys
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 8


def check(url: str, expected: str | None = None) -> str | None:
    """Return what is wrong, or None."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 80, timeout=TIMEOUT_SECONDS)
    path = address.path + (f"?{address.query}" if address.query else "")
    try:
        connection.request("GET", path or "/")
        reply = connection.getresponse()
        body = reply.read()
    except OSError as error:
        return f"{url}: {error}"
    finally:
        connection.close()
    if reply.status >= 400:
        return f"{url}: HTTP {reply.status} {body[:300].decode(errors='replace')}"
    if expected:
        path, _, wanted = expected.partition("=")
        found = json.loads(body)
        for key in path.split("."):
            found = found[key]
        if found != wanted:
            return f"{url}: {path} is {found!r}"
    return None


if __name__ == "__main__":
    problem = check(*sys.argv[1:])
    if problem:
        sys.exit(problem)
