"""``python -m api.cli``: runs the ``sercuescribe`` command of the client's distribution."""

from api.cli.termination import exit_on_sigterm

exit_on_sigterm()  # before the imports, which take a second

from importlib.metadata import distribution  # noqa: E402

# The entry point is loaded by its name, because the service must not import its client.
_scripts = distribution("sercuescribe-client").entry_points.select(group="console_scripts")
_scripts["sercuescribe"].load()()
