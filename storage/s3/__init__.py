"""All recordings in one S3 bucket, with nothing else that nodes share.

Under the prefix::

    {session_id}.wav                        the finished audio
    {session_id}.json                       the manifest
    {session_id}/segments/{sequence}.wav    what is persisted of a session that is recording
    {session_id}/input/{stream}/{offset}    raw input of compressed streams that are open
    _index/active/, _index/time/, _index/user/   empty objects, by which listings find sessions

Permissions: ``s3:GetObject``, ``PutObject``, ``DeleteObject``, ``ListBucket``,
``AbortMultipartUpload``, ``ListMultipartUploadParts``, ``ListBucketMultipartUploads``. The store
must honour ``If-None-Match: *`` on a put; that is tried at every start.

A chunk reaches a spool on the node first. A segment every few seconds makes it persisted.
As the audio grows it is also uploaded as parts of the final file, all but the first, which
holds the header and goes last.

Not promised: that two nodes cannot write one session at the same time.
"""

from storage.s3.bucket import BucketSettings
from storage.s3.doctor import examine
from storage.s3.node import Leasing
from storage.s3.provision import provision
from storage.s3.recording import Shipping
from storage.s3.storage import S3Storage

__all__ = ["BucketSettings", "Leasing", "S3Storage", "Shipping", "examine", "provision"]
