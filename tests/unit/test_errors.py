"""Messages are for people, and never hold a password."""

import pytest

from pipeline.errors import RegistryError, SourceError, without_password
from pipeline.mlflow_client import explained
from pipeline.source import SourceClient
from pipeline.use_case import UseCase


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ann:s3cret@mlflow:5000", "http://mlflow:5000"),
        ("mysql+pymysql://mlflow:a@b@mysql:3306/mlflow", "mysql+pymysql://mysql:3306/mlflow"),
        ("http://mlflow:5000/path", "http://mlflow:5000/path"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_an_error_of_mlflow_shows_no_password() -> None:
    uri = "http://ann:s3cret@mlflow:5000"
    with pytest.raises(RegistryError, match="http://mlflow:5000") as error, explained(uri, "try"):
        raise OSError(f"no route to {uri}")
    assert "s3cret" not in str(error.value)


def test_an_error_of_the_source_shows_no_password(covertype: UseCase) -> None:
    with pytest.raises(SourceError, match="unreachable") as error:
        SourceClient("http://ann:s3cret@127.0.0.1:9", timeout=1).fetch(covertype)
    assert "s3cret" not in str(error.value)
