"""Warnings: what of a session could not be recorded, and why."""

import msgspec

# Warnings are a part of every checkpoint, whose size is limited.
MAX_WARNINGS = 5
_MAX_MESSAGE_BYTES = 160

# The codes of what a storage notices.
UNPERSISTED_AUDIO_LOST = "unpersisted_audio_lost"
PERSISTED_AUDIO_LOST = "persisted_audio_lost"
KEPT_INPUT_LOST = "kept_input_lost"
CHECKPOINT_DAMAGED = "checkpoint_damaged"

KEPT_INPUT_MESSAGE = "kept input is missing: what was not decoded yet is lost"


class SessionWarning(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Audio that could not be recorded, or may have been lost.

    ``code`` is for programs, ``message`` for people: the cause and the remedy. The service noticed
    it after chunk ``chunk_count`` of the session, when the recording had ``frame`` frames.
    """

    code: str
    message: str
    chunk_count: int = 0
    frame: int = 0


def added(warnings: tuple[SessionWarning, ...], new: SessionWarning) -> tuple[SessionWarning, ...]:
    """Return ``warnings`` with ``new`` at the end, its message cut to 160 bytes.

    The first ones are kept, at most `MAX_WARNINGS`, and none twice. If there is no room, one with
    a code that is not among them replaces the last one that shares its code with another.
    """
    message = new.message.encode()[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
    new = msgspec.structs.replace(new, message=message)
    codes = [each.code for each in warnings]
    if any((each.code, each.message) == (new.code, message) for each in warnings):
        return warnings
    if len(warnings) < MAX_WARNINGS:
        return (*warnings, new)
    if new.code in codes:
        return warnings
    for index in reversed(range(len(warnings))):
        if codes.count(codes[index]) > 1:
            return (*warnings[:index], *warnings[index + 1 :], new)
    return warnings
