"""``python -m tests.protocol_fuzz EXAMPLES``: check new random conversations and handshakes."""

import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from tests.protocol_fuzz.properties import (
    CONVERSATIONS,
    HANDSHAKES,
    SERVICE_SETTINGS,
    check_conversation,
    check_handshake,
)
from tests.service import Service


def main(examples: int) -> None:
    repeat = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder), **SERVICE_SETTINGS).start()
        try:
            repeat(given(CONVERSATIONS)(lambda talk: check_conversation(service, *talk)))()
            repeat(given(HANDSHAKES)(lambda request: check_handshake(service, request)))()
        finally:
            service.kill()
    sys.stdout.write(f"no failure in {examples} conversations and {examples} handshakes\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
