"""All recordings in one S3 bucket. Nodes share nothing else.

Under the prefix::

    {session_id}.wav                        the finished audio
    {session_id}.json                       the manifest
    {session_id}.links/{link_id}            a shared link
    {session_id}/segments/{sequence}.wav    what is persisted of a session that is recording
    {session_id}/input/{stream}/…           raw input of compressed streams that are open
    {session_id}/epochs/{epoch}             which node has the right to write it
    _nodes/{node_id}                        where a living node is reached; changes all the time
    _outbox/{node}/{slot}-{name}            events not yet delivered, if webhooks are set
    _index/active/, _index/time/, _index/user/   empty objects, by which listings find sessions
    _index/calls/                                empty objects, by which calls find their sessions

Permissions: ``s3:GetObject``, ``PutObject``, ``DeleteObject``, ``ListBucket``,
``AbortMultipartUpload``, ``ListMultipartUploadParts``, ``ListBucketMultipartUploads``; to delete
versions also ``ListBucketVersions`` and ``DeleteObjectVersion``. The store must honour
``If-None-Match: *`` on a put; the service checks this at every start.
``sercuescribe bucket init`` needs more: see infra/iam-policy-init.json.

The node writes each chunk to its spool first. A segment every few seconds makes it persisted.
As the audio grows, the node also uploads it as parts of the final file: all but the first part,
which holds the header and is put last.

Any number of nodes may share the bucket: a session has one writer at a time, and one that
was only slow can make nothing persistent any more. Not promised: that what a node has
acknowledged and not persisted survives the loss of the node.
"""

from storage.s3.admin.archive import open_archive
from storage.s3.admin.doctor import examine
from storage.s3.admin.leftovers import open_leftovers
from storage.s3.admin.provision import provision
from storage.s3.client.bucket import BucketSettings
from storage.s3.client.credentials import Keys
from storage.s3.outbox import open_outbox
from storage.s3.ownership.peers import LeaseSettings
from storage.s3.reading.recordings import open_recordings
from storage.s3.storage import S3Storage
from storage.s3.writing.recording import UploadSettings

__all__ = [
    "BucketSettings",
    "Keys",
    "LeaseSettings",
    "S3Storage",
    "UploadSettings",
    "examine",
    "open_archive",
    "open_leftovers",
    "open_outbox",
    "open_recordings",
    "provision",
]
