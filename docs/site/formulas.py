"""The stylesheet and the fonts of the formulas are of the version of KaTeX that writes them, and come with the pages."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import sphinxcontrib.katex
from sphinx.errors import ConfigError

KATEX = Path(sys.prefix) / "node" / "node_modules" / "katex"
"""Where ``build.py`` installs what ``package.json`` names."""
STYLESHEET = "katex/katex.min.css"


def install(app: Any) -> None:
    """Copy the stylesheet and the fonts beside the pages."""
    if app.builder.format != "html":
        return
    if not KATEX.is_dir():
        raise ConfigError(f"KaTeX is not in {KATEX}: build the pages by docs/site/build.py, which installs it")
    found = json.loads((KATEX / "package.json").read_text("utf-8"))["version"]
    if found != sphinxcontrib.katex.katex_version:
        writes = sphinxcontrib.katex.katex_version
        raise ConfigError(f"KaTeX {writes} writes the formulas, and the stylesheet is of {found}: change package.json")
    folder = Path(app.outdir) / "_static" / "katex"
    folder.mkdir(parents=True, exist_ok=True)
    style = (KATEX / "dist" / "katex.min.css").read_text("utf-8")
    # every browser that can show the pages takes the first of the three kinds of a font
    style = re.sub(r',url\([^)]*\.(woff|ttf)\) format\("[a-z]+"\)', "", style)
    (folder / "katex.min.css").write_text(style, "utf-8")
    shutil.copytree(
        KATEX / "dist" / "fonts", folder / "fonts", ignore=shutil.ignore_patterns("*.woff", "*.ttf"), dirs_exist_ok=True
    )


def setup(app: Any) -> None:
    """Copy after the extension has begun, before any page is written."""
    app.connect("builder-inited", install, priority=900)
