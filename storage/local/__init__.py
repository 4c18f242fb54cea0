"""Recordings in one folder of a file system (``AUDIO_STORAGE_PATH``).

For every session::

    {session_id}.wav        the audio; grows in place, a valid file at any moment
    {session_id}.json       the manifest; replaced whole, never half written
    {session_id}.links/     shared links, a file for each
    .active/{session_id}.state/     while the session is active only:
        checkpoint          how far the recording got, 4 KiB, written after every chunk
        input.{number}      raw input of a stream, unless it is PCM as it is recorded
        owner               with several workers: locked by the one that writes the session
    {session_id}.state      a link to it, for release 0.2.0, which has it here

and once for the folder::

    .outbox/{node}/{slot}/  events that are not yet delivered, if webhooks are set: see `outbox`
    .lock                   held by the one service that writes here
    .changes.lock           held while the manifest of a completed session is replaced
    .workers/               with several workers: their sockets, and the lock of the leader
    .index/                 the index, with which a page of the list costs a page:
        sessions.sqlite     a cache; it may be removed at any time, also while the service runs
        clean               what the folder was at the last clean stop
        gate, lock          locked by processes that use the index

Permissions: the process needs to read, write and create in the folder, and the
folder must be on a file system with ``flock``, POSIX locks, ``rename`` and ``fsync`` (any
local one; NFS 4 with its lock daemon, but only for one worker). Files are created with the
process's umask.

What is written after every chunk survives ``kill -9``. A background task makes it
durable (``fdatasync``) every ``SYNC_INTERVAL_SECONDS``, for all sessions together; what it
has not reached yet can be lost with the machine, and ``persisted_chunk_count`` says how much
that is. The sizes in the WAV header follow after every 15 seconds of audio, and at a flush.

Not promised: several services on one folder (the second refuses to start),
protection from other programs that edit the folder, and replication: the folder is
as safe as the disk below it.
"""

from storage.local.archive import FolderArchive
from storage.local.comparison import Changes
from storage.local.doctor import examine
from storage.local.leftovers import FolderLeftovers
from storage.local.mount import check_machine_owns
from storage.local.outbox import OutboxFolder
from storage.local.recordings import FileAudio, VolumeRecordings
from storage.local.reindexing import reindex
from storage.local.storage import LocalStorage

__all__ = [
    "Changes",
    "FileAudio",
    "FolderArchive",
    "FolderLeftovers",
    "LocalStorage",
    "OutboxFolder",
    "VolumeRecordings",
    "check_machine_owns",
    "examine",
    "reindex",
]
