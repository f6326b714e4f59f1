"""How Sphinx builds the site: `make docs`.

The source folder is the root of the repository, not `docs/`, so that a link between any two Markdown files
is the same on the site as where the repository is browsed.
"""

import hashlib
import os
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy.typing as npt
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from haploscribe._version import __version__

project = "Haploscribe"
author = copyright = "The Haploscribe authors"  # noqa: A001 - Sphinx's name
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "models",
    "tables",
]

root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "benchmarks/README.md",
    "benchmarks/results/**.md",
    "pipelines/*/README.md",
    "src/haploscribe/examples/*/README.md",
    "src/haploscribe/embedding/backbones/nano/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "docs/_*", "build", "dist", "demo-results", "tests", "tools", "**/__pycache__"]

# Tutorials run again when they or the package change, each in a folder of its own.
_SOURCES = sorted((Path(__file__).parents[1] / "src").rglob("*.py"))
_digest = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()[:16]
nb_execution_mode = "cache"
nb_execution_cache_path = str(Path(__file__).parent / "_build" / "notebooks" / _digest)
nb_execution_in_temp = True
# Their commands are those of the environment that builds the site.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4

# Docstrings write code in single backticks.
default_role = "code"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style"), "Returns"]  # what is returned is written as prose
napoleon_use_rtype = False
napoleon_attr_annotations = False
# What others document is not on this site, and no inventory is downloaded to link to it.
nitpick_ignore_regex = [("py:.*", r"(?!haploscribe\.).*")]
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "Haploscribe"
html_static_path = ["_static"]
html_extra_path = ["_root"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00558a", "color-brand-content": "#00558a"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}

_ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[[^]]*\], ~?numpy\.dtype\[~?numpy\.(\w+)\]\]")
_ARRAY_LIKE = stringify_annotation(npt.ArrayLike, "smart")


def shorten_signature(
    _app: Sphinx,
    what: str,
    _name: str,
    found: object,
    _options: object,
    arguments: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Shorten the types of arrays; give of a dataclass only names, and of a protocol nothing.

    A dataclass's docstring has its types; a protocol is never called.
    """
    if what == "class" and getattr(found, "_is_protocol", False):
        return "", None
    if what == "class" and is_dataclass(found):
        return f"({', '.join(field.name for field in fields(found) if field.init)})", None
    return _short(arguments), _short(returned)


def _short(text: str | None) -> str | None:
    return text and _ARRAY.sub(r"NDArray[\1]", text.replace(_ARRAY_LIKE, "ArrayLike"))


def setup(app: Sphinx) -> None:
    """Listen to autodoc."""
    app.connect("autodoc-process-signature", shorten_signature)
