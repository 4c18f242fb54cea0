"""``python -m sercuescribe_client``: the command, where its script is not on the path."""

from sercuescribe_client.cli.commands import main

main(prog_name="sercuescribe")
