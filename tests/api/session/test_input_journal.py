"""The receipt has the digest of every input stream, whatever the session went through."""

import contextlib
import hashlib
import itertools
import random
from pathlib import Path

import msgspec
import pytest

from api.audio.formats import DecodeError
from api.session.parameters import AudioParameters
from api.session.registry import Registry
from api.session.session import Session
from storage import manifest as manifests
from storage.block_digest import BLOCK_BYTES
from storage.errors import StorageUnavailableError
from storage.local import LocalStorage
from storage.manifest import Manifest
from storage.receipt import Digested
from storage.s3 import S3Storage, UploadSettings
from tests.api.conftest import ConnectionProbe, new_registry
from tests.audio import chunk, encode, pcm, speech, wav
from tests.conftest import ManualClock
from tests.eventually import eventually
from tests.storage.conftest import bucket_settings

RATE = 22050
RAW = pcm(40_001)[:-1]  # ends within a frame
WAV = wav(pcm(20_000), sample_rate=RATE, after=chunk(b"LIST", b"a note that is no audio"))
ODD_WAV = wav(pcm(5000) + b"\x01", sample_rate=RATE, after=b"\0" + chunk(b"LIST", b"odd"))
FLAC = encode(speech(), "-c:a", "flac", "-f", "flac")
BROKEN = b"RIFF\0\0\0\0WAVE" + chunk(b"data", bytes(4000)) + pcm(2000)
INPUTS = {
    "raw": RAW,
    "wav": WAV,
    "odd": ODD_WAV,
    "flac": FLAC,
    "broken": BROKEN,
    "two": WAV + wav(pcm(3000, seed=2), sample_rate=RATE),
    "mixed": FLAC + WAV + FLAC,
    "tiny": b"RI",
}


def digest(data: bytes) -> Digested:
    blocks = [data[start : start + BLOCK_BYTES] for start in range(0, len(data), BLOCK_BYTES)]
    whole = hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks))
    return Digested(bytes=len(data), digest=whole.hexdigest())


def random_cuts(data: bytes, source: random.Random, largest: int) -> list[bytes]:
    found = []
    while data:
        size = source.choice([1, 2, 3, 5, source.randrange(1, largest)])
        found.append(data[:size])
        data = data[size:]
    return found


async def send(session: Session, connection: ConnectionProbe, piece: bytes) -> None:
    with contextlib.suppress(DecodeError):
        if not session.receive_now(connection, piece):
            await session.receive(connection, piece)


class Recorder:
    """Sends to one session through crashes of the process."""

    def __init__(self, folder: Path, **parameters: int) -> None:
        self.folder = folder
        self.parameters = {"sample_rate": RATE, "channels": 1} | parameters
        self.storage: LocalStorage | None = None

    async def start(self) -> None:
        self.storage = LocalStorage(self.folder, sync_interval_seconds=3600)
        await self.storage.start()
        self.registry: Registry = new_registry(self.storage, ManualClock())
        parameters = AudioParameters(
            self.parameters["sample_rate"], self.parameters["channels"], "wav"
        )
        self.session = await self.registry.create(parameters, None)

    async def crash(self) -> None:
        """End the process without a word, and open the session in the next one."""
        assert self.storage is not None
        session_id = str(self.session.session_id)
        self.session.recording.abandon()
        for stream in self.session._streams.values():
            await stream.abort()
        await self.storage.stop()
        self.storage = LocalStorage(self.folder, sync_interval_seconds=3600)
        await eventually(self._starts, awaiting="the lock, which a starting ffmpeg may hold")
        self.registry = new_registry(self.storage, ManualClock())
        self.session = await self.registry.open(await self.registry.lookup(session_id))

    async def _starts(self) -> bool:
        assert self.storage is not None
        try:
            await self.storage.start()
        except StorageUnavailableError:
            return False
        return True

    async def close(self) -> Manifest:
        assert self.storage is not None
        await self.session.close()
        session_id = self.session.session_id
        await self.registry.shutdown()
        await self.storage.stop()
        data = (self.folder / f"{session_id}.json").read_bytes()
        return manifests.decode(data, session_id)


def check(manifest: Manifest, folder: Path, *inputs: bytes) -> None:
    assert manifest.receipt is not None
    audio = (folder / f"{manifest.session_id}.wav").read_bytes()[80:]
    assert manifest.receipt.audio == digest(audio)
    assert manifest.receipt.inputs_unknown is None
    assert manifest.receipt.inputs == tuple(map(digest, inputs))


@pytest.mark.parametrize("name", INPUTS)
async def test_the_receipt_has_the_digest_of_an_input_cut_anywhere(
    name: str, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    source = random.Random(7)
    for piece in random_cuts(INPUTS[name], source, 20_000):
        await send(recorder.session, connection, piece)
        if source.random() < 0.2:
            await recorder.storage.sync.run_pass()  # type: ignore[union-attr]
    check(await recorder.close(), tmp_path, INPUTS[name])


@pytest.mark.parametrize("name", INPUTS)
async def test_the_digests_of_inputs_are_exact_after_crashes(name: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    source = random.Random(3)
    pieces = random_cuts(INPUTS[name], source, 30_000)
    crashes = set(source.sample(range(len(pieces)), min(4, len(pieces))))
    for number, piece in enumerate(pieces):
        await send(recorder.session, connection, piece)
        assert recorder.session.counts().chunk_count == number + 1
        if number in crashes:
            await recorder.crash()
            connection = ConnectionProbe()
            await recorder.session.resume(connection)
    check(await recorder.close(), tmp_path, INPUTS[name])


async def test_inputs_of_several_connections_are_told_apart_after_crashes(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    source = random.Random(5)
    names = ["raw", "odd", "flac", "wav"]
    rest = {name: random_cuts(INPUTS[name], source, 9000) for name in names}
    sent = dict.fromkeys(names, b"")
    connections = {name: ConnectionProbe() for name in names[:3]}
    for name in names[:3]:
        await recorder.session.attach(connections[name])
        await send(recorder.session, connections[name], rest[name].pop(0))
        sent[name] = INPUTS[name][: len(INPUTS[name]) - len(b"".join(rest[name]))]
    while any(rest[name] for name in names[:3]):
        name = source.choice([each for each in names[:3] if rest[each]])
        piece = rest[name].pop(0)
        await send(recorder.session, connections[name], piece)
        sent[name] += piece
    await recorder.crash()
    last = ConnectionProbe()
    await recorder.session.attach(last)
    for piece in rest["wav"]:
        await send(recorder.session, last, piece)
    await recorder.crash()
    check(await recorder.close(), tmp_path, *(INPUTS[name] for name in names))


async def test_the_digests_of_a_long_recording_continue_at_the_last_block(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    data = wav(pcm(2_000_000), sample_rate=RATE)
    for start in range(0, len(data), 200_000):
        await send(recorder.session, connection, data[start : start + 200_000])
        await recorder.storage.sync.run_pass()  # type: ignore[union-attr]
        if start in {1_600_000, 2_800_000}:
            await recorder.crash()
            digests = recorder.session.recording._digests._digests  # type: ignore[attr-defined]
            assert digests.pcm.size_bytes > start - BLOCK_BYTES
            connection = ConnectionProbe()
            await recorder.session.resume(connection)
    check(await recorder.close(), tmp_path, data)


async def test_an_incomplete_frame_that_ends_the_audio_of_a_wav_is_in_the_digest(
    tmp_path: Path,
) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    end = ODD_WAV.index(b"\0LIST")
    for piece in (ODD_WAV[:5000], ODD_WAV[5000:end], ODD_WAV[end:]):
        await send(recorder.session, connection, piece)
    check(await recorder.close(), tmp_path, ODD_WAV)


@pytest.mark.parametrize("crashes", [False, True], ids=["", "crash"])
async def test_a_frame_that_arrives_in_three_chunks_is_in_the_digest_once(
    tmp_path: Path, crashes: bool
) -> None:
    """Its first byte is kept with the header of the WAV, the others are not."""
    recorder = Recorder(tmp_path, channels=2)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    data = wav(pcm(4000), sample_rate=RATE, channels=2)[: 44 + 403]
    for piece in (data[: 44 + 401], data[44 + 401 : 44 + 402], data[44 + 402 :]):
        if crashes and len(piece) == 1:
            await recorder.crash()
            connection = ConnectionProbe()
            await recorder.session.resume(connection)
        await send(recorder.session, connection, piece)
    check(await recorder.close(), tmp_path, data)


async def check_cut(folder: Path, data: bytes, cuts: list[int], *, channels: int = 1) -> None:
    """Record ``data`` in chunks from each of ``cuts`` to the next; check the receipt."""
    recorder = Recorder(folder, channels=channels)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    for start, stop in itertools.pairwise(cuts):
        await send(recorder.session, connection, data[start:stop])
    check(await recorder.close(), folder, data)


@pytest.mark.parametrize("cut", [1, 2, 3])
async def test_a_frame_that_is_kept_in_front_of_the_next_file_is_in_the_digest_once(
    tmp_path: Path, cut: int
) -> None:
    """The chunk with the end of a WAV is kept, and the incomplete frame in front of it already."""
    first = wav(pcm(400), sample_rate=RATE, channels=2, after=chunk(b"data", pcm(8)))
    data = first + wav(pcm(600), sample_rate=RATE, channels=2)
    cuts = [0, 200, len(first) - 16 + cut, len(first) + 44 + 100, len(data)]
    await check_cut(tmp_path, data, cuts, channels=2)


@pytest.mark.parametrize("cut", [1, 5, 12])
async def test_a_header_behind_a_file_within_a_chunk_is_in_the_digest_once(
    tmp_path: Path, cut: int
) -> None:
    """The chunk in which a file begins has all of its audio, and ends within the next header."""
    first = wav(pcm(400), sample_rate=RATE)
    more = chunk(b"LIST", b"some") + chunk(b"data", pcm(90))
    data = first + wav(pcm(100), sample_rate=RATE, after=more)
    at = len(data) - len(more)
    cuts = [0, len(first) - 100, at + cut, at + cut + 1, at + cut + 3, len(data)]
    await check_cut(tmp_path, data, cuts)


@pytest.mark.parametrize("cut", [1, 3, 6])
async def test_a_header_within_a_wav_that_arrives_in_pieces_is_in_the_digest_once(
    tmp_path: Path, cut: int
) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    more = chunk(b"LIST", b"some") + chunk(b"data", pcm(300)) + chunk(b"LIST", b"end!")
    data = wav(pcm(5000) + b"\x01", sample_rate=RATE, after=b"\0" + more)
    header = data.index(b"data", 6000)
    for start, stop in ((0, 5000), (5000, header + cut), (header + cut, header + cut + 1)):
        await send(recorder.session, connection, data[start:stop])
    await recorder.crash()
    await recorder.session.resume(connection)
    await send(recorder.session, connection, data[header + cut + 1 :])
    check(await recorder.close(), tmp_path, data)


async def test_a_head_that_ends_within_a_later_header_is_in_the_digest_once(
    tmp_path: Path,
) -> None:
    recorder = Recorder(tmp_path, channels=2)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    data = wav(pcm(105), sample_rate=RATE, channels=2, after=chunk(b"data", pcm(30)))
    begin = 44 + 210
    for start, stop in ((0, begin + 3), (begin + 3, begin + 8), (begin + 8, len(data) - 9)):
        await send(recorder.session, connection, data[start:stop])
    await send(recorder.session, connection, data[-9:])
    check(await recorder.close(), tmp_path, data)


class Nodes:
    """Nodes that follow each other on one bucket, each with a spool of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.settings = bucket_settings(url, prefix=f"{folder.name}/")
        self._folder = folder
        self._count = 0

    async def start(self) -> None:
        upload, self._count = UploadSettings(segment_seconds=3600), self._count + 1
        spool = self._folder / str(self._count)
        self.storage = S3Storage(self.settings, spool, upload, is_store_checked=True)
        await self.storage.start()
        self.registry = new_registry(self.storage, ManualClock())

    async def stop(self) -> None:
        await self.registry.shutdown()
        await self.storage.stop()

    async def follow(self, session: Session) -> Session:
        """Return the session, opened by the next node."""
        await self.stop()
        await self.start()
        return await self.registry.open(await self.registry.lookup(str(session.session_id)))

    async def close(self, session: Session) -> Manifest:
        await session.close()
        manifest = await self.storage.manifest(session.session_id)
        await self.stop()
        return manifest


async def test_another_node_without_the_spool_makes_the_same_digests(
    moto_url: str, tmp_path: Path
) -> None:
    nodes = Nodes(moto_url, tmp_path)
    await nodes.start()
    session = await nodes.registry.create(AudioParameters(RATE, 1, "wav"), None)
    data = {name: INPUTS[name] for name in ("wav", "mixed", "raw")}
    for each in data.values():
        connection = ConnectionProbe()
        await session.attach(connection)
        for start in range(0, len(each), 15_000):
            await send(session, connection, each[start : start + 15_000])
            if start in {30_000, 75_000}:
                await session.flush()
        await session.detach(connection)
        await session.flush()
        session = await nodes.follow(session)
    manifest = await nodes.close(session)
    assert manifest.receipt is not None
    assert manifest.receipt.inputs_unknown is None
    assert manifest.receipt.inputs == tuple(map(digest, data.values()))


@pytest.mark.parametrize("is_removed", [True, False], ids=["missing", "altered"])
async def test_another_node_completes_a_session_whose_journal_is_damaged(
    moto_url: str, tmp_path: Path, is_removed: bool
) -> None:
    nodes = Nodes(moto_url, tmp_path)
    await nodes.start()
    session = await nodes.registry.create(AudioParameters(RATE, 1, "wav"), None)
    connection = ConnectionProbe()
    await session.attach(connection)
    await send(session, connection, RAW[:20_000])
    await session.flush()
    bucket = nodes.storage._bucket
    (key,) = await bucket.keys(f"{session.session_id}/input/0/")
    if is_removed:
        await bucket.delete([key])
    else:
        await bucket.put(key, (await bucket.get(key))[:-1] + b"?")
    session = await nodes.follow(session)
    await session.resume(connection)
    await send(session, connection, RAW[20_000:])
    manifest = await nodes.close(session)
    assert manifest.receipt is not None
    assert manifest.receipt.inputs is None
    assert manifest.receipt.audio == digest(RAW[:-1])


async def test_a_recording_that_0_2_0_has_begun_has_no_digests_of_inputs(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    for start in range(0, len(RAW), 4000):
        await send(recorder.session, connection, RAW[start : start + 4000])
    recording = recorder.session.recording
    recording.append(b"", msgspec.structs.replace(recording.checkpoint, journal_bytes=0))
    await recorder.crash()
    await recorder.session.resume(connection)
    await send(recorder.session, connection, RAW[:4000])
    manifest = await recorder.close()
    assert manifest.receipt is not None
    assert manifest.receipt.inputs is None
    assert "without receipts" in str(manifest.receipt.inputs_unknown)


@pytest.mark.parametrize("damage", ["missing", "short", "altered"])
async def test_a_damaged_journal_makes_the_inputs_unknown_and_stops_nothing(
    damage: str, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path)
    await recorder.start()
    connection = ConnectionProbe()
    await recorder.session.attach(connection)
    await send(recorder.session, connection, RAW[:20_000])
    journal = next(tmp_path.glob(".active/*/input.0"))
    data = journal.read_bytes()
    match damage:
        case "missing":
            journal.unlink()
        case "short":
            journal.write_bytes(data[:-1])
        case _:
            journal.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    await recorder.crash()
    await recorder.session.resume(connection)
    await send(recorder.session, connection, RAW[20_000:])
    manifest = await recorder.close()
    assert manifest.receipt is not None
    assert manifest.receipt.inputs is None
    assert "journal" in str(manifest.receipt.inputs_unknown)
    assert manifest.receipt.audio == digest(RAW[:-1])
