"""``python -m api.cli``: the ``sercuescribe`` command of the client's distribution."""

from importlib.metadata import distribution

# Loaded by name, as the script does: the service does not import its client.
_scripts = distribution("sercuescribe-client").entry_points.select(group="console_scripts")
_scripts["sercuescribe"].load()()
