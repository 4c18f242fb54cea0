"""Whether a folder is on a file system of this machine, or on that of a server."""

import re
from pathlib import Path

from storage import files
from storage.errors import StorageUnavailableError

_MOUNTS = Path("/proc/self/mountinfo")

# Names that Linux shows (proc_pid_mountinfo(5)). Other machines see the same files, and may not
# see the locks.
_NETWORK = re.compile(
    r"(nfs|cifs|smb|9p$|afs$|ceph$|coda$|lustre|gfs2?$|gpfs|ocfs2|pvfs2|orangefs|beegfs|glusterfs|"
    r"fuse\.(sshfs|s3fs|goofys|rclone|gcsfuse|blobfuse2?|glusterfs|ceph|juicefs|davfs|mount-s3))"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def check_machine_owns(folder: Path, mounts: Path = _MOUNTS) -> None:
    """Raise `StorageUnavailableError` if the folder is on a network file system.

    ``mounts`` lists the mounted file systems as ``/proc/self/mountinfo`` does.
    """
    with files.translated_errors():
        folder.mkdir(parents=True, exist_ok=True)
        kind = _file_system(folder.resolve(), mounts.read_text(errors="surrogateescape"))
    if _NETWORK.match(kind):
        raise StorageUnavailableError(
            f"{folder} is on a network file system ({kind}): several workers need a file system "
            "of this machine, or a bucket. Set WORKERS=1"
        )


def _file_system(folder: Path, mounts: str) -> str:
    """Return the type of the file system that is mounted nearest above the folder, last."""
    found, depth = "", -1
    for line in mounts.splitlines():
        fields, _, source = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = source.split(" ")[0], len(point.parts)
    return found
