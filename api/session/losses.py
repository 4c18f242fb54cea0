"""Audio that could not be recorded: in the log, the metrics, an event and the checkpoint."""

import logging
from collections.abc import Callable

from api.audio.formats import DecodeError
from api.observe.metrics import Metrics
from storage.base import Recording
from storage.checkpoint import Checkpoint

logger = logging.getLogger(__name__)


class Losses:
    """Tells of the losses of one recording.

    ``announce`` is called with the code of a warning before the first one with this code is
    written.
    """

    def __init__(
        self, recording: Recording, *, announce: Callable[[str], None], metrics: Metrics
    ) -> None:
        self._recording = recording
        self._announce = announce
        self._metrics = metrics

    def report(self, lost: DecodeError | None) -> None:
        """Log and count a loss, if there is one, before the checkpoint has its warning."""
        if lost is None:
            return
        session_id = self._recording.manifest.session_id
        self._metrics.warnings.labels(lost.code).inc()
        logger.warning("%s: audio was not recorded: code=%s reason=%s", session_id, lost.code, lost)
        if lost.code not in {warning.code for warning in self._recording.checkpoint.warnings}:
            self._announce(lost.code)

    def warned(self, checkpoint: Checkpoint, lost: DecodeError | None) -> Checkpoint:
        """Return the checkpoint with the warning of the loss, if there is one."""
        if lost is None:
            return checkpoint
        frame = self._recording.manifest.pcm_format.frames(checkpoint.pcm_bytes)
        return checkpoint.warned(lost.code, str(lost), frame=frame)
