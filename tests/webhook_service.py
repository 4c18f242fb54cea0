"""Run ``sercuescribe serve`` with short times between the attempts to deliver a webhook."""

import functools
import sys
from unittest.mock import patch

from api.app import create_app
from api.cli import service
from api.cli.serve import serve
from api.events.delivery import DeliverySettings

QUICK = DeliverySettings(
    timeout_seconds=0.5,
    pause_seconds=0.2,
    adopt_seconds=0.2,
    storage_seconds=0.2,
    retry_seconds=(0.1,) * 500,
    check_seconds=(0.2,),
)

if __name__ == "__main__":
    with patch.object(
        service, "create_app", functools.partial(create_app, delivery_settings=QUICK)
    ):
        serve(sys.argv[1:])
