"""Choosing the ports of the stack, and saying clearly when one is taken."""

import socket
from collections.abc import Mapping

from local_stack.configuration import PORTS, read_port
from pipeline.errors import ConfigurationError


def choose_ports(settings: Mapping[str, str], environ: Mapping[str, str], *, free: bool) -> dict[str, int]:
    """Port of each service: the one the environment asks for, else the usual one, or with `free` any free one.

    Raises
    ------
    ConfigurationError
        A port is taken or asked for twice; every such port is named with the variable that changes it.
    """
    ports: dict[str, int] = {}
    held: list[socket.socket] = []
    problems: list[str] = []
    try:
        for service, (variable, usual) in PORTS.items():
            # A port of .env is the usual one written down: only the environment insists on it when any port will do.
            asked = read_port({} if free else settings, environ, service)
            port = asked or (0 if free else usual)
            try:
                held.append(_hold(port))
            except OSError:
                other = next((name for name, taken in ports.items() if taken == port), None)
                owner = f"{other} of this stack" if other else "another program"
                problems.append(f"  - port {port} of {service} is taken by {owner}: set {variable} to a free one")
                continue
            ports[service] = held[-1].getsockname()[1]
    finally:
        for listener in held:
            listener.close()
    if problems:
        raise ConfigurationError("cannot start:\n" + "\n".join(problems))
    return ports


def configured_ports(settings: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, int]:
    """Port of each service by the settings alone: where a stack that runs is found."""
    return {service: read_port(settings, environ, service) or usual for service, (_, usual) in PORTS.items()}


def _hold(port: int) -> socket.socket:
    """Take a port for as long as the choice lasts, so that no two services get the same one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As servers do: a connection of the last run still in TIME_WAIT does not take the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener
