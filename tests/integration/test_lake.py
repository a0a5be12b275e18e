"""Both lakes keep the same promises; the S3 one explains what a server refuses."""

import socket

import pytest
from pydantic import SecretStr

from pipeline.errors import LakeError
from pipeline.lake import Lake, open_lake
from pipeline.settings import PipelineSettings
from tests.integration.conftest import BACKENDS

s3_only = pytest.mark.parametrize("settings", BACKENDS[1:], indirect=True)


def test_objects_are_written_whole_listed_and_replaced(lake: Lake) -> None:
    lake.create()
    uri = lake.put("raw/covertype/group=1/ñ x.json", b"one")
    assert lake.put("raw/covertype/group=1/ñ x.json", b"two") == uri
    lake.put("raw/other", b"")

    assert lake.get(uri) == lake.get(lake.key(uri)) == b"two"
    assert lake.list("raw/cover") == ["raw/covertype/group=1/ñ x.json"]
    assert lake.list("") == ["raw/covertype/group=1/ñ x.json", "raw/other"]
    assert lake.exists("raw/other")
    assert not lake.exists("raw/absent")


def test_the_time_of_an_object_is_aware(lake: Lake) -> None:
    lake.put("x", b"")

    moment = lake.modified_at("x")

    assert moment
    assert str(moment.tzinfo) == "UTC"


def test_a_missing_object_is_named(lake: Lake) -> None:
    with pytest.raises(LakeError, match="there is no object"):
        lake.get("raw/absent")


def test_more_objects_than_one_page_are_listed(lake: Lake, settings: PipelineSettings) -> None:
    count = 1005 if settings.lake_url.startswith("s3") else 20
    for number in range(count):
        lake.put(f"many/{number:04d}", b"")

    assert len(lake.list("many/")) == count


def test_a_lake_that_was_not_made_says_so(settings: PipelineSettings) -> None:
    lake = open_lake(settings)

    with pytest.raises(LakeError, match=r"does not exist.*run `mlops init`"):
        lake.put("x", b"")
    with pytest.raises(LakeError, match=r"does not exist.*run `mlops init`"):
        lake.list("")


@s3_only
def test_wrong_credentials_are_told(settings: PipelineSettings, lake: Lake) -> None:
    lake.put("x", b"")
    for wrong in ({"aws_access_key_id": "nobody"}, {"aws_secret_access_key": SecretStr("guess")}):
        stranger = open_lake(settings.model_copy(update=wrong))
        with pytest.raises(LakeError, match=r"refuses the credentials.*AWS_ACCESS_KEY_ID"):
            stranger.get("x")
        with pytest.raises(LakeError, match="refuses the credentials"):
            stranger.modified_at("x")


def test_an_absent_server_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        lake = open_lake(
            PipelineSettings(
                lake_url="s3://bucket",
                aws_endpoint_url_s3=endpoint,
                aws_access_key_id="a",
                aws_secret_access_key=SecretStr("b"),
            )
        )

        with pytest.raises(LakeError, match=f"{endpoint} is unreachable: check AWS_ENDPOINT_URL_S3"):
            lake.list("")
