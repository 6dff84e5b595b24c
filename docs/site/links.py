"""Every link of the pages leads somewhere, and no page loads anything from another host.

Sphinx checks what it resolves itself; this reads the HTML as a browser does, anchors and stylesheets included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("object", "data")}
"""What a browser fetches without being asked."""


class Page(HTMLParser):
    """The anchors of a page, and the addresses that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.named: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Addresses come with whether they are loaded, not only linked."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif value and (name == "href" or (tag, name) in LOADS):
                self.named.append((value, (tag, name) in LOADS))


def wrong(root: Path) -> list[str]:
    """One line for each address that leads nowhere, or that a page would load from another host."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(root.rglob("*.html"))}
    return [*_of_pages(root, pages), *_of_styles(root)]


def _of_pages(root: Path, pages: dict[Path, Page]) -> Iterator[str]:
    for path, page in pages.items():
        for address, loaded in page.named:
            parts = urlsplit(address)
            if parts.scheme == "data" or (parts.scheme and not loaded):
                continue
            here = path.relative_to(root)
            if parts.scheme or parts.netloc:
                yield f"{here} loads {address} from another host"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                yield f"{here}: {address} is not there"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{here}: {address} has no such anchor"


def _of_styles(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.css")):
        for address in re.findall(r"url\(\s*[\"']?([^)\"']+)", path.read_text("utf-8")):
            if address.startswith(("data:", "#")):
                continue
            if urlsplit(address).netloc:
                yield f"{path.relative_to(root)} loads {address} from another host"
            elif not (path.parent / urlsplit(address).path).is_file():
                yield f"{path.relative_to(root)}: {address} is not there"
