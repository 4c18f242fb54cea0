"""The state of one node, as ``GET /api/status`` tells it to admins."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.wire.messages import SessionInfo


class BackgroundTask(msgspec.Struct, kw_only=True):
    """A background task of the service."""

    name: str
    is_up: Annotated[bool, Meta(description="False if it has failed within two minutes")]
    failures: Annotated[int, Meta(description="How often it has failed since the start", ge=0)]


class StoreOperation(msgspec.Struct, kw_only=True):
    """The requests of one kind to the store since the start."""

    name: str
    requests: Annotated[int, Meta(ge=0)]
    mean_seconds: Annotated[float, Meta(description="Mean duration with retries", ge=0)]
    errors: Annotated[int, Meta(description="Requests that failed after their retries", ge=0)]


class NodeStatus(msgspec.Struct, kw_only=True):
    """The state of one node."""

    version: str
    node: Annotated[str, Meta(description="Its id in the bucket, or the name of the host")]
    storage: Annotated[str, Meta(description="STORAGE_BACKEND")]
    is_draining: Annotated[bool, Meta(description="Whether the process is stopping")]
    problems: Annotated[list[str], Meta(description="What does not work; empty if all does")]
    active_sessions: Annotated[int, Meta(description="Sessions that are live in this process")]
    max_sessions: Annotated[int, Meta(description="MAX_CONCURRENT_SESSIONS")]
    unpersisted_bytes: Annotated[int, Meta(description="Audio that is not persisted yet")]
    unpersisted_seconds: Annotated[float, Meta(description="Age of the oldest of it")]
    free_bytes: Annotated[int, Meta(description="Free space of the disk with AUDIO_STORAGE_PATH")]
    lease_age_seconds: Annotated[
        float, Meta(description="Time since the node renewed its lease; 0 on a volume")
    ]
    tasks: list[BackgroundTask]
    store: Annotated[list[StoreOperation], Meta(description="Empty on a volume")]
    sessions: Annotated[
        list[SessionInfo],
        Meta(description="The live sessions whose audio waits longest, at most 100"),
    ]
