"""Presigned URLs: they open one object without further permission (AWS Signature Version 4)."""

import functools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from storage.base import Link
from storage.errors import StorageUnavailableError
from storage.s3.client.bucket import BucketSettings, client_options


class Presigner:
    """Signs without asking the store. Blocks when credentials have to be fetched."""

    def __init__(self, settings: BucketSettings) -> None:
        self._settings = settings
        self._session = boto3.Session()
        self._lock = threading.Lock()

    def link(self, key: str, file_name: str, ttl_seconds: int, now: datetime) -> Link:
        """Return a link to download ``key`` as ``file_name``.

        ``expires_at`` is the earlier end of the link and of its credentials.
        """
        parameters = {
            "Bucket": self._settings.bucket,
            "Key": self._settings.prefix + key,
            "ResponseContentType": "audio/wav",
            "ResponseContentDisposition": f'attachment; filename="{file_name}"',
        }
        try:
            with self._lock:
                url = self._client.generate_presigned_url(
                    "get_object", Params=parameters, ExpiresIn=ttl_seconds
                )
                expires_at = (now + timedelta(seconds=ttl_seconds)).replace(microsecond=0)
                # A link of temporary credentials ends with them: boto/boto3, issue 3079.
                credentials: Any = self._session.get_credentials()
                ends_at = getattr(credentials, "_expiry_time", None)
        except BotoCoreError as error:
            raise StorageUnavailableError(str(error)) from error
        return Link(url, min(expires_at, ends_at.astimezone(UTC)) if ends_at else expires_at)

    @functools.cached_property
    def _client(self) -> Any:
        settings = self._settings
        return self._session.client(
            "s3",
            endpoint_url=settings.public_endpoint_url or settings.endpoint_url,
            region_name=settings.region,
            config=Config(**client_options(settings)),
        )
