"""The code in the documentation runs, in order, as it stands."""

import re
from pathlib import Path

import pytest

from modelcollapse.checks import claims

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for page in (
        "docs/concepts.md",
        "docs/extending.md",
        "docs/families.md",
        "docs/kernels-and-regression.md",
        "docs/vae.md",
        "docs/error-sources.md",
        "README.md",
    )
    if (ROOT / page).is_file()
]


def blocks(page):
    """Python blocks with the number of the line that each begins at, so that a failure points into the page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text[: match.start(1)].count("\n"), match.group(1)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = dict(claims.registry())
    namespace: dict = {"__name__": page.replace("/", "_").replace(".", "_")}
    try:
        for line, code in blocks(page):
            exec(compile("\n" * line + code, str(ROOT / page), "exec"), namespace)
    finally:
        for name in set(claims.REGISTRY) - set(before):
            del claims.REGISTRY[name]


def test_there_is_code_to_run():
    assert len(list(blocks("docs/extending.md"))) >= 4
