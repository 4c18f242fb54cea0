"""``sercuescribe record``: record files, standard input or the microphone into sessions."""

import asyncio

import click

from sercuescribe_client.cli.exit_codes import EXIT_CODES_HELP, exit_on_error
from sercuescribe_client.cli.options import (
    CommonOptions,
    common_options,
    metadata_option,
    retry_timeout_option,
)
from sercuescribe_client.cli.paths import find_paths
from sercuescribe_client.cli.progress_display import recording_display
from sercuescribe_client.cli.recorder import (
    DEFAULT_CHANNELS,
    DEFAULT_SAMPLE_RATE,
    Recorder,
    RecordOptions,
)


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("files", nargs=-1, type=click.Path(allow_dash=True))
@click.option("-r", "--recursive", is_flag=True, help="Record all files in the given folders.")
@click.option("--mic", is_flag=True, help="Record the microphone until Ctrl-C.")
@click.option("--realtime", is_flag=True, help="Send at the pace of real time.")
@click.option(
    "--sample-rate", type=int, help="Sample rate in Hz of the recording, and of raw PCM input."
)
@click.option("--channels", type=int, help="Channels of the recording, and of raw PCM input.")
@click.option("--format", "format_", help="Format of the input, if it cannot be detected.")
@click.option("--user-id", help="User that the recording belongs to.")
@click.option("--title", help="Title of the recording. Default: the name of the file.")
@metadata_option
@common_options
@retry_timeout_option
def record(
    common: CommonOptions,
    files: tuple[str, ...],
    *,
    recursive: bool,
    mic: bool,
    realtime: bool,
    sample_rate: int | None,
    channels: int | None,
    format_: str | None,
    user_id: str | None,
    title: str | None,
    metadata: dict[str, str],
    retry_timeout_seconds: float,
) -> None:
    """Record FILES, one session each; a hyphen is standard input.

    A file whose first bytes are those of no known format is refused, unless --format names the
    format of raw audio. What could not be recorded is printed as a warning. A file that fails does
    not stop the others. Hidden files of folders, and those that are no audio, are left out.

    Sample rate and channels of WAV files come from their headers: the next higher rate that the
    service records, and at most two channels. Ctrl-C finishes the session.
    A second Ctrl-C quits at once; the audio sent so far stays in the session.
    """
    if mic == bool(files):
        raise click.UsageError("give either FILES (a hyphen for standard input) or --mic")
    if mic:
        format_ = "pcm_s16le"
        sample_rate = sample_rate or DEFAULT_SAMPLE_RATE
        channels = channels or DEFAULT_CHANNELS
    paths = [] if mic else find_paths(files, is_recursive=recursive)
    options = RecordOptions(
        sample_rate,
        channels,
        format_,
        user_id,
        title,
        metadata,
        is_realtime=realtime and not mic,
    )

    async def run() -> int:
        async with common.client(retry_timeout_seconds=retry_timeout_seconds) as client:
            sizes = [path.size_bytes for path in paths]
            with recording_display(common.server, sizes, as_json=common.as_json) as display:
                return await Recorder(client, options, display).record_all(paths)

    with exit_on_error(as_json=common.as_json):
        code = asyncio.run(run())
    raise SystemExit(code)
