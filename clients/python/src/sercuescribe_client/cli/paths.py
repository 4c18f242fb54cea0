"""The files that the arguments of ``sercuescribe record`` name: files, folders, standard input."""

import mimetypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

STDIN = "-"


@dataclass(frozen=True, slots=True)
class AudioPath:
    """A file to record. ``is_expected`` is False for a file of a folder that may be no audio."""

    name: str
    size_bytes: int | None = None
    is_expected: bool = True


def find_paths(names: tuple[str, ...], *, is_recursive: bool) -> list[AudioPath]:
    """Return the files in the order of their names; of folders all, if ``is_recursive``.

    A file that does not exist is one of them, so that the others are recorded; ``UsageError`` if
    none exists, or if a name is that of a folder without ``is_recursive``.
    """
    if not any(name == STDIN or os.path.lexists(name) for name in names):
        raise click.UsageError(f"{names[0]}: no such file or folder")
    found: list[AudioPath] = []
    for name in names:
        if name == STDIN or not Path(name).is_dir():
            found.append(AudioPath(name, _size_bytes(name)))
        elif is_recursive:
            found.extend(_files_below(name))
        else:
            raise click.UsageError(f"{name}: is a folder; --recursive records the files in it")
    if not found:
        raise click.UsageError(f"{', '.join(names)}: no files in it")
    return found


def _files_below(folder: str) -> Iterator[AudioPath]:
    """Yield the files in a folder and those below it, without hidden ones."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for file in sorted(each for each in files if not each.startswith(".")):
            path = str(Path(parent) / file)
            kind = mimetypes.guess_type(file)[0] or ""
            yield AudioPath(path, _size_bytes(path), kind.startswith(("audio/", "video/")))


def _size_bytes(name: str) -> int | None:
    try:
        return Path(name).stat().st_size if name != STDIN and Path(name).is_file() else None
    except OSError:
        return None
