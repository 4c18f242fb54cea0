"""The state of one node, as ``GET /api/status`` tells it to admins."""

import heapq
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from api.wire.messages import SessionInfo

SHOWN_SESSIONS = 100


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
    active_sessions: Annotated[int, Meta(description="Sessions that are live in this node")]
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


def merged(workers: Sequence[NodeStatus]) -> NodeStatus:
    """Return the state of a service of several workers, of which the first one answers."""
    return msgspec.structs.replace(
        workers[0],
        is_draining=any(each.is_draining for each in workers),
        problems=list(dict.fromkeys(text for each in workers for text in each.problems)),
        active_sessions=sum(each.active_sessions for each in workers),
        unpersisted_bytes=sum(each.unpersisted_bytes for each in workers),
        unpersisted_seconds=max(each.unpersisted_seconds for each in workers),
        lease_age_seconds=max(each.lease_age_seconds for each in workers),
        tasks=_merged_tasks([task for each in workers for task in each.tasks]),
        store=_merged_store([operation for each in workers for operation in each.store]),
        # How long the audio of each waits is not told; the chunks that wait say nearly the same.
        sessions=heapq.nlargest(
            SHOWN_SESSIONS,
            (session for each in workers for session in each.sessions),
            key=lambda session: session.total_chunks - session.persisted_chunk_count,
        ),
    )


def _merged_tasks(tasks: Sequence[BackgroundTask]) -> list[BackgroundTask]:
    found: dict[str, BackgroundTask] = {}
    for task in tasks:
        other = found.get(task.name, BackgroundTask(name=task.name, is_up=True, failures=0))
        found[task.name] = BackgroundTask(
            name=task.name,
            is_up=task.is_up and other.is_up,
            failures=task.failures + other.failures,
        )
    return list(found.values())


def _merged_store(operations: Sequence[StoreOperation]) -> list[StoreOperation]:
    found: dict[str, StoreOperation] = {}
    for each in operations:
        other = found.get(
            each.name, StoreOperation(name=each.name, requests=0, mean_seconds=0.0, errors=0)
        )
        requests = each.requests + other.requests
        seconds = each.requests * each.mean_seconds + other.requests * other.mean_seconds
        found[each.name] = StoreOperation(
            name=each.name,
            requests=requests,
            mean_seconds=seconds / requests if requests else 0.0,
            errors=each.errors + other.errors,
        )
    return list(found.values())
