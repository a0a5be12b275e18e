"""A lake on S3, or on any server that speaks its protocol."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError

from pipeline.errors import LakeError
from pipeline.lake import Lake
from pipeline.settings import PipelineSettings

CREDENTIAL_CODES = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "403", "Forbidden"})
FULL_CODES = frozenset({"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "507"})
MISSING_CODES = frozenset({"NoSuchKey", "NotFound", "404"})
EXISTING_CODES = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


class S3Lake(Lake):
    """Objects of one bucket, below an optional prefix.

    Parameters
    ----------
    client : boto3 S3 client; it may be shared by threads.
    bucket : name of the bucket.
    prefix : where in the bucket the lake starts, without outer slashes.
    endpoint : how to call the server in messages.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "", endpoint: str = "Amazon S3") -> None:
        super().__init__("/".join(part for part in (f"s3://{bucket}", prefix) if part))
        self.client = client
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.endpoint = endpoint

    def create(self) -> None:
        with self._errors():
            try:
                self.client.create_bucket(Bucket=self.bucket)
            except ClientError as error:
                if _code(error) not in EXISTING_CODES:
                    raise

    def put(self, key: str, data: bytes) -> str:
        with self._errors():
            self.client.put_object(Bucket=self.bucket, Key=self._name(key), Body=data)
        return self.uri(key)

    def get(self, uri_or_key: str) -> bytes:
        key = self.key(uri_or_key)
        with self._errors(key):
            body: bytes = self.client.get_object(Bucket=self.bucket, Key=self._name(key))["Body"].read()
        return body

    def list(self, prefix: str) -> list[str]:
        keys = []
        with self._errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            for page in pages:
                keys += [entry["Key"].removeprefix(self.prefix) for entry in page.get("Contents", [])]
        return sorted(keys)

    def modified_at(self, key: str) -> datetime | None:
        with self._errors():
            try:
                modified: datetime = self.client.head_object(Bucket=self.bucket, Key=self._name(key))["LastModified"]
            except ClientError as error:
                if _code(error) in MISSING_CODES:
                    return None
                raise
        return modified.astimezone(UTC)

    def _name(self, key: str) -> str:
        return self.prefix + self.key(key)

    @contextlib.contextmanager
    def _errors(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise LakeError(self._explain(_code(error), key, error)) from error
        except EndpointConnectionError as error:
            raise LakeError(f"the lake's server {self.endpoint} is unreachable: check AWS_ENDPOINT_URL_S3") from error
        except NoCredentialsError as error:
            raise LakeError("the lake needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
        except BotoCoreError as error:
            raise LakeError(f"the lake's server {self.endpoint} failed: {error}") from error

    def _explain(self, code: str, key: str, error: ClientError) -> str:
        if code == "NoSuchBucket":
            return f"the lake's bucket {self.bucket!r} does not exist at {self.endpoint}: run `mlops init`"
        if code in MISSING_CODES:
            return f"there is no object {key!r} in the lake {self.root}"
        if code in CREDENTIAL_CODES:
            return (
                f"the lake's server {self.endpoint} refuses the credentials for bucket {self.bucket!r} ({code}): "
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if code in FULL_CODES:
            return f"the lake's server {self.endpoint} has no space left ({code}): free some, then retry"
        return f"the lake's server {self.endpoint} answered {code}: {error}"


def open_s3_lake(settings: PipelineSettings) -> S3Lake:
    """The lake that an ``s3://bucket[/prefix]`` LAKE_URL names."""
    bucket, _, prefix = settings.lake_url.removeprefix("s3://").partition("/")
    if not bucket:
        raise LakeError(f"LAKE_URL {settings.lake_url!r} names no bucket: write s3://bucket or s3://bucket/prefix")
    secret = settings.aws_secret_access_key
    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=settings.aws_endpoint_url_s3,
            aws_access_key_id=settings.aws_access_key_id,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            region_name="us-east-1" if settings.aws_endpoint_url_s3 else None,
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"max_attempts": 4, "mode": "standard"},
                # Servers other than Amazon's have no DNS name per bucket.
                s3={"addressing_style": "path"} if settings.aws_endpoint_url_s3 else {},
            ),
        )
    except (ValueError, BotoCoreError) as error:
        raise LakeError(f"the lake's settings are wrong, check AWS_ENDPOINT_URL_S3: {error}") from error
    return S3Lake(client, bucket, prefix.strip("/"), settings.aws_endpoint_url_s3 or "Amazon S3")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
