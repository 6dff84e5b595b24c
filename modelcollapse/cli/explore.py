"""``modelcollapse explore``: the page in the browser."""

from __future__ import annotations

import argparse

from modelcollapse.cli import options as shared


def add_to(commands: shared.Commands) -> None:
    """Add ``explore`` to an argument parser's commands."""
    help = "drag size, share and regime in the browser, and see what collapses"
    parser = commands.add_parser("explore", help=help, description=run.__doc__)
    # in single precision, as a user's own call is who copies one from the page
    parser.set_defaults(run=run, precision=32)
    port = "on this machine alone; 0 takes any free one (default %(default)s)"
    parser.add_argument("--port", type=shared.whole(0, 65535), default=8765, metavar="N", help=port)
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")


def run(options: argparse.Namespace) -> int:
    """Serve a page on 127.0.0.1 that simulates recursive training while you drag its sliders, until Ctrl-C."""
    from modelcollapse.explore import serve  # it imports the server and the theory

    serve(options.port, browser=not options.no_browser)
    return 0
