"""What a build fills in: a README for a reader on a package index, and every field that needs the repository's address.

The address stands in pyproject.toml, once, under [tool.hatch.metadata.hooks.custom]. While it is empty, nothing that
needs it is in the wheel or the source distribution.
"""

import re
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

FILE = "{address}/blob/v{version}/{path}"
"""Where a forge shows a file of a tag; GitHub and GitLab know this shape."""
RAW = "{address}/raw/v{version}/{path}"
"""Where a forge sends the bytes of a file of a tag."""
LINK = re.compile(r"(?P<image>!)?\[(?P<text>[^\]]*)\]\((?P<path>(?!#|[a-z][a-z+.-]*:)[^)\s]+)\)(?P<end>(?(image)\n*))")
PAGES = re.compile(r"^## Read on\n.*?(?=^Apache-2\.0\.$)", re.MULTILINE | re.DOTALL)
"""The README's list of pages, which leads nowhere without links."""
HERE = re.compile(r"pip install (?:\.|'\.(?P<extras>\[[\w,]+\])')(?: -c \S+)?")
"""``pip install '.[extra]' -c file``: a command that needs a checkout."""


def index_page(readme: str, address: str, version: str) -> str:
    """The README for a reader who has no checkout: links lead to the repository, or without an address are plain text.

    Pictures and the list of pages are dropped without an address, and ``pip install .`` becomes ``pip install
    modelcollapse``.
    """

    def link(found: re.Match[str]) -> str:
        shape = RAW if found["image"] else FILE
        if address:
            to = shape.format(address=address, version=version, path=found["path"])
            return f"{found['image'] or ''}[{found['text']}]({to}){found['end']}"
        return "" if found["image"] else found["text"]

    def install(found: re.Match[str]) -> str:
        return f"pip install 'modelcollapse{found['extras']}'" if found["extras"] else "pip install modelcollapse"

    if not address:
        readme = PAGES.sub("", readme)
    # a link may have code for its text, so links first; code in fences has no links
    parts = re.split(r"(^```.*?^```$)", readme, flags=re.MULTILINE | re.DOTALL)
    return "".join(HERE.sub(install, part) if part.startswith("```") else LINK.sub(link, part) for part in parts)


def urls(address: str, version: str) -> dict[str, str]:
    """The entries of [project.urls]: none without an address."""
    if not address:
        return {}
    pages = {"Documentation": "README.md", "Changelog": "CHANGELOG.md", "Errata": "docs/errata.md"}
    files = {name: FILE.format(address=address, version=version, path=path) for name, path in pages.items()}
    return {"Source": address, "Issues": f"{address}/issues", **files}


def citation(text: str, address: str) -> str:
    """CITATION.cff with the address of the code, if there is one."""
    return f"{text}repository-code: {address}\n" if address else text


def repository(config: dict[str, str]) -> str:
    """The address, checked."""
    address = config.get("address", "")
    if address and not re.fullmatch(r"https://\S+[^/\s]", address):
        raise ValueError(
            f"the address of the repository must be empty or https://... without / at its end: {address!r}"
        )
    return address


class Metadata(MetadataHookInterface):
    def update(self, metadata: dict) -> None:
        address, version = repository(self.config), metadata["version"]
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": index_page(readme, address, version)}
        metadata["urls"] = urls(address, version)


class Citation(BuildHookInterface):
    """Of the source distribution: CITATION.cff is filled in, once."""

    def initialize(self, version: str, build_data: dict) -> None:
        address = repository(self.metadata.hatch.metadata.hook_config.get("custom", {}))
        text = (Path(self.root) / "CITATION.cff").read_text(encoding="utf-8")
        self.folder = tempfile.TemporaryDirectory()
        filled = Path(self.folder.name, "CITATION.cff")
        filled.write_text(citation(text, "" if "\nrepository-code:" in text else address), encoding="utf-8")
        build_data["force_include"][str(filled)] = "CITATION.cff"

    def finalize(self, version: str, build_data: dict, artifact_path: str) -> None:
        self.folder.cleanup()
