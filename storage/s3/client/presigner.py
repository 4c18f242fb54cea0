"""Presigned URLs: they open one object without further permission (AWS Signature Version 4)."""

import threading
from datetime import datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from storage.base import Link
from storage.errors import StorageUnavailableError
from storage.s3.client.bucket import BucketSettings, client_options
from storage.s3.client.credentials import Keys


class Presigner:
    """Signs without asking the store. The first link with other keys takes some 10 ms."""

    def __init__(self, settings: BucketSettings) -> None:
        self._settings = settings
        self._session = boto3.Session()
        self._lock = threading.Lock()
        self._client: Any = None
        self._keys: Keys | None = None  # those of the client

    def link(
        self, key: str, disposition: str, ttl_seconds: int, now: datetime, *, keys: Keys
    ) -> Link:
        """Return a link to download ``key``, signed with ``keys``.

        ``disposition`` is the ``Content-Disposition`` of the answer.

        ``expires_at`` is the earlier end of the link and of its keys.
        """
        parameters = {
            "Bucket": self._settings.bucket,
            "Key": self._settings.prefix + key,
            "ResponseContentType": "audio/wav",
            "ResponseContentDisposition": disposition,
        }
        try:
            url = self._client_with(keys).generate_presigned_url(
                "get_object", Params=parameters, ExpiresIn=ttl_seconds
            )
        except BotoCoreError as error:
            raise StorageUnavailableError(str(error)) from error
        expires_at = (now + timedelta(seconds=ttl_seconds)).replace(microsecond=0)
        # A link of temporary credentials ends with them: boto/boto3, issue 3079.
        return Link(url, min(expires_at, keys.ends_at or expires_at))

    def _client_with(self, keys: Keys) -> Any:
        settings = self._settings
        with self._lock:
            if self._keys != keys:
                self._client = self._session.client(
                    "s3",
                    endpoint_url=settings.public_endpoint_url or settings.endpoint_url,
                    region_name=settings.region,
                    config=Config(**client_options(settings)),
                    aws_access_key_id=keys.access_key,
                    aws_secret_access_key=keys.secret_key,
                    aws_session_token=keys.token,
                )
                self._keys = keys
            return self._client
