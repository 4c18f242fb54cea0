"""Run the ``sercuescribe`` command as ``python -m sercuescribe_client``."""

from sercuescribe_client.cli.commands import main

main(prog_name="sercuescribe")
