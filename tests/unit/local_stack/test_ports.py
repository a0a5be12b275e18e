import socket
from collections.abc import Iterator

import pytest

from local_stack.configuration import PORTS
from local_stack.ports import choose_ports
from pipeline.errors import ConfigurationError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def five_free_ports() -> dict[str, str]:
    ports = choose_ports({}, {}, free=True)
    return {PORTS[service][0]: str(port) for service, port in ports.items()}


def test_a_taken_port_is_named_with_its_service_and_the_variable_that_changes_it(taken: int) -> None:
    environ = five_free_ports() | {"UI_PORT": str(taken)}
    with pytest.raises(ConfigurationError, match=rf"port {taken} of ui is taken by another program: set UI_PORT"):
        choose_ports({}, environ, free=False)


def test_every_taken_port_is_named_at_once(taken: int) -> None:
    environ = five_free_ports() | {"UI_PORT": str(taken), "MLFLOW_PORT": str(taken)}
    with pytest.raises(ConfigurationError, match=r"(?s)MLFLOW_PORT.*UI_PORT"):
        choose_ports({}, environ, free=False)


def test_one_port_asked_for_twice_is_refused() -> None:
    environ = five_free_ports()
    environ["UI_PORT"] = environ["AIRFLOW_PORT"]
    with pytest.raises(ConfigurationError, match="is taken by airflow of this stack: set UI_PORT"):
        choose_ports({}, environ, free=False)


@pytest.mark.parametrize("text", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="AIRFLOW_PORT"):
        choose_ports({}, five_free_ports() | {"AIRFLOW_PORT": text}, free=False)


def test_free_ports_differ_and_leave_the_ports_of_the_env_file_alone(taken: int) -> None:
    ports = choose_ports({"UI_PORT": str(taken)}, {}, free=True)
    assert len(set(ports.values())) == len(PORTS)
    assert taken not in ports.values()


def test_the_environment_chooses_a_port_even_among_free_ones() -> None:
    environ = five_free_ports()
    assert choose_ports({}, {"AIRFLOW_PORT": environ["AIRFLOW_PORT"]}, free=True)["airflow"] == int(
        environ["AIRFLOW_PORT"]
    )
