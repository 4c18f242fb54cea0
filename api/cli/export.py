"""The command ``sercuescribe export``."""

import sys
from pathlib import Path

import click

from api.backend import open_archive
from api.cli.copying import copy_all, jobs_option
from api.cli.environment import settings_or_exit
from api.cli.interruption import run_until_interrupted
from api.settings import Settings
from storage.copying import Candidate, Standing
from storage.errors import StorageUnavailableError


@click.command()
@click.argument("user")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@jobs_option
def export(user: str, folder: Path, jobs: int) -> None:
    """Copy all completed recordings of USER to FOLDER: audio, manifest and waveform of each.

    USER is the user_id of the sessions. Every manifest of the storage is read, so that none is
    missing. Active sessions are named, and not copied. Can be run again, also after a crash: it
    copies what FOLDER does not have.
    """
    settings = settings_or_exit()
    target = Settings(audio_storage_path=str(folder))

    def may_be_of_user(candidate: Candidate) -> bool:
        is_unknown = candidate.standing is Standing.REFUSED and candidate.user_id is None
        return is_unknown or candidate.user_id == user

    async def run() -> bool:
        async with (
            open_archive(settings) as recordings,
            open_archive(target, creates_folder=True) as exported,
        ):
            if recordings.name == exported.name:
                sys.exit(f"sercuescribe: {folder} is the folder of the service itself")
            return await copy_all(recordings, exported, jobs=jobs, is_wanted=may_be_of_user)

    try:
        is_whole = run_until_interrupted(run(), hint="run the command again to copy the rest")
    except StorageUnavailableError as error:
        sys.exit(f"sercuescribe: {error}")
    if not is_whole:
        sys.exit(1)
