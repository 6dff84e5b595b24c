"""How the pages are built. The source is the whole repository, so that a link which works on a forge works here too."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

from sphinx.errors import ConfigError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATHS = [str(HERE), str(ROOT), str(ROOT / "theory")]
sys.path[:0] = PATHS
# notebooks are executed by processes of their own, with this checkout too
os.environ["PYTHONPATH"] = os.pathsep.join([*PATHS[1:], os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)

import formulas  # noqa: E402
import notebooks  # noqa: E402
import reference  # noqa: E402

if shutil.which("node") is None:
    raise ConfigError("node is not on the path: KaTeX needs it to write the formulas while the pages are built")

project = "modelcollapse"
author = "The modelcollapse developers"
project_copyright = author
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.doctest",
    "sphinx.ext.coverage",
    "sphinxcontrib.katex",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = ["docs/**", "theory/README.md", "theory/derivations/*.md", "examples/README.md", "tests/README.md"]
include_patterns += ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = ["**/.*", ".*", "build", "dist", "benchmarks", "modelcollapse", "docs/site", "**/__pycache__"]
# a name in a signature that two modules define, and that neither of them gives the other
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]

# Markdown, with formulas between dollars, and notebooks that are executed once for each state of the library
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_block", "attrs_inline"]
myst_dmath_double_inline = True
myst_heading_anchors = 4
myst_links_external_new_tab = False
nb_execution_mode = "cache"
nb_execution_cache_path = str(notebooks.kept(ROOT))
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_output_stderr = "remove"  # what libraries say about the machine that builds

# the reference: each object once, where it is defined
autodoc_default_options = {"members": True, "ignore-module-all": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
add_module_names = False
# a list, as parameters are: the fields of a class have entries of their own
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_param = False
napoleon_use_rtype = False
autodoc_type_aliases = {name: name for name in reference.ALIASES}
napoleon_google_docstring = False
nitpicky = True
nitpick_ignore_regex = reference.OUTSIDE
coverage_show_missing_items = True
coverage_statistics_to_stdout = False
coverage_write_headline = False

html_theme = "furo"
html_title = "modelcollapse"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["pages.css"]
html_additional_pages = {"index": "to_first_page.html"}
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
html_theme_options = {"navigation_with_keys": True}
pygments_style = "default"
pygments_dark_style = "github-dark"
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
katex_prerender = True
katex_css_path = formulas.STYLESHEET


def setup(app: Any) -> None:
    """Parts of the pages that are written before they are read."""
    formulas.setup(app)
    reference.setup(app)
