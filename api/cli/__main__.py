"""``python -m api.cli``: the same as the ``sercuescribe`` script."""

from api.cli.main import main

main()
