"""Sphinx's configuration of the manual: `make docs` builds it from the Markdown of the checkout.

The sources are those of the whole repository, so that a link means the same in a checkout. A page
below ``docs/reference`` may have lines such as ``<!-- generated: errors -->``, which are replaced
by a text of `generated_tables`. Every missing page, file, anchor or object is an error.
"""

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_DOCS = Path(__file__).parent
sys.path[:0] = [str(_DOCS), str(_DOCS.parent)]

import generated_tables  # noqa: E402

from api import __version__  # noqa: E402

project = "SercueScribe"
author = "SercueScribe contributors"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/*/*.md",
    "clients/*/README.md",
    "examples/README.md",
    "infra/README.md",
    "infra/helm/sercuescribe/README.md",
]
suppress_warnings = ["myst.header"]  # decisions have headings of one kind only
nitpicky = True
# Types that the clients name in signatures and that have no page of their own.
nitpick_ignore_regex = [("py:.*", ".*")]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_fence_as_directive: list[str] = []

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
default_role = "code"  # of `names` in docstrings
autodoc_preserve_defaults = True  # as they are in the source
smartquotes = False  # they make one dash of the hyphens of an option

html_theme = "furo"
html_title = f"SercueScribe {release}"
html_favicon = str(_DOCS.parent / "web" / "page" / "icon.svg")
html_copy_source = False
html_show_sphinx = False
html_search_scorer = str(_DOCS / "search_scorer.js")
pygments_dark_style = "monokai"

_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def _insert_tables(app: Sphinx, name: str, source: list[str]) -> None:
    del app
    if name.startswith("docs/reference/"):
        source[0] = _MARK.sub(lambda mark: getattr(generated_tables, mark[1])(), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register what this configuration adds."""
    app.connect("source-read", _insert_tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
