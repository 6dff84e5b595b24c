"""Stylesheet and fonts of the formulas are of the version of KaTeX that writes them, and come with the pages."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sphinx.errors import ConfigError
from sphinxcontrib import katex

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
    if found != katex.katex_version:
        writes = katex.katex_version
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


def listening(rundir: Path, timeout: float) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process that writes formulas, and a connection to it.

    The extension takes the file of the socket for a sign that someone listens, which fails on a busy machine.
    """
    path, deadline = rundir / "katex.sock", time.monotonic() + timeout
    command = katex.KaTeXServer.build_command(socket=path)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=rundir)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while True:
        try:
            connection.connect(str(path))
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise katex.KaTeXServer.timeout_error(timeout) from None
            time.sleep(0.01)


def setup(app: Any) -> None:
    """Copy after the extension has begun, before any page is written. A formula that KaTeX cannot read is an error."""
    katex.KaTeXServer.start_server_process = staticmethod(listening)
    katex.KATEX_DEFAULT_OPTIONS = {"throwOnError": True}
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60.0
    app.connect("builder-inited", install, priority=900)
