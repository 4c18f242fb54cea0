"""Run ``sercuescribe serve`` with uvicorn's own protocol classes instead of the service's."""

import sys
from typing import Any
from unittest.mock import patch

import uvicorn

from api.cli import service
from api.cli.serve import serve
from api.server.process import server_config


def plain_config(*args: Any) -> uvicorn.Config:
    config = server_config(*args)
    config.http, config.ws = "httptools", "websockets-sansio"
    return config


if __name__ == "__main__":
    with patch.object(service, "server_config", plain_config):
        serve(sys.argv[1:])
