"""How the documentation becomes a site: ``make docs``."""

from importlib.metadata import version as version_of

from sphinx.application import Sphinx

project = "taskmgr"
author = "The taskmgr authors"
copyright = author  # noqa: A001 - Sphinx reads this name
release = version_of("taskmgr-core")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.mermaid",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"
html_theme = "furo"
html_title = "taskmgr"

# Pages link to headings as GitHub names them, and to files of the repository.
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
myst_enable_extensions = ["colon_fence"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_use_ivar = True
napoleon_custom_sections = [("Arguments", "params_style")]

# The pages beside the text, in the order of the sidebar. They are not in index.md, which
# readers see as it is where the repository is shown.
SECTIONS = """
```{toctree}
:hidden:
tutorial
```
```{toctree}
:hidden:
:glob:
:caption: How to
how-to/*
```
```{toctree}
:hidden:
:glob:
:caption: Reference
reference/*
```
```{toctree}
:hidden:
:caption: More
architecture
benchmarks
```
"""


def _add_sections(_: Sphinx, name: str, source: list[str]) -> None:
    if name == root_doc:
        source[0] += SECTIONS


def setup(app: Sphinx) -> None:
    """What Sphinx calls once it has read this file."""
    app.connect("source-read", _add_sections)
