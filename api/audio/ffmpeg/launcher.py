"""Starts decoders, a few at a time, because a start uses more CPU than decoding.

A start takes about 30 ms of CPU, as much as some seconds of audio. Those that start use half of the
cores, so that chunks are acknowledged in time whatever number of recorders begins at once; their
audio waits for its decoder.
"""

import asyncio
import os

from api.audio.ffmpeg.command import arguments, binary, sandbox
from api.audio.ffmpeg.decoder import STALL_SECONDS, Emit, EmitNow, FfmpegDecoder
from api.audio.ffmpeg.process import Process
from api.audio.formats import DecoderLostError
from storage.pcm import PcmFormat

_START_SECONDS = 0.1

# For error messages, by ffmpeg's name of the demuxer.
_NAMES = {
    "aac": "AAC", "flac": "FLAC", "matroska": "WebM", "mp3": "MP3", "mp4": "MP4", "ogg": "Ogg",
    "wav": "WAV",
}  # fmt: skip


def starts_at_once(workers: int) -> int:
    """Return how many decoders each of ``workers`` processes may start at a time: at least one."""
    return max(1, len(os.sched_getaffinity(0)) // (2 * workers))


class DecoderLauncher:
    """Starts decoders, ``starts_at_once`` of them at a time.

    ``max_chunk_seconds`` is the maximum audio that one chunk may decode to; `StreamDecoder`
    applies it. A decoder is given up if its process does not start within ``spawn_seconds``, or if
    it makes no progress for ``stall_seconds``.
    """

    def __init__(
        self,
        *,
        loglevel: str = "error",
        max_chunk_seconds: float = 3600,
        starts_at_once: int = 1,
        start_seconds: float = _START_SECONDS,
        spawn_seconds: float = STALL_SECONDS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.max_chunk_seconds = max_chunk_seconds
        self._loglevel = loglevel
        self._starting = asyncio.Semaphore(starts_at_once)
        self._start_seconds = start_seconds
        self._spawn_seconds = spawn_seconds
        self._stall_seconds = stall_seconds
        self._waiting: set[asyncio.Task[None]] = set()

    async def start(
        self, demuxer: str, pcm_format: PcmFormat, emit: Emit, emit_now: EmitNow | None = None
    ) -> FfmpegDecoder:
        """Return a decoder that waits for input. See there for ``emit`` and ``emit_now``.

        Raises ``OSError`` if ffmpeg cannot be started, `DecoderLostError` if that takes too long.
        """
        await self._starting.acquire()
        try:
            async with asyncio.timeout(self._spawn_seconds):
                process = await Process.start(
                    (*sandbox().command, binary(), *arguments(demuxer, pcm_format, self._loglevel))
                )
        except TimeoutError as error:
            self._starting.release()
            text = f"ffmpeg did not start within {self._spawn_seconds:g} seconds"
            raise DecoderLostError(text) from error
        except BaseException:
            self._starting.release()
            raise
        what = _NAMES.get(demuxer, demuxer)
        decoder = FfmpegDecoder(
            process,
            what,
            pcm_format.frame_bytes,
            emit,
            emit_now=emit_now,
            stall_seconds=self._stall_seconds,
        )
        waiting = asyncio.create_task(self._wait_started(decoder), name="ffmpeg-start")
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)
        return decoder

    async def _wait_started(self, decoder: FfmpegDecoder) -> None:
        """Release the start slot when the decoder outputs audio.

        Some formats delay the first output for long, so the wait has a timeout.
        """
        try:
            async with asyncio.timeout(self._start_seconds):
                await decoder.started.wait()
        except TimeoutError:
            pass
        finally:
            self._starting.release()
