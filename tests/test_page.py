"""The files of the explorer's page: they are all there, they ask no other host, and a teacher can read them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from modelcollapse import regimes
from modelcollapse.explore import choices, server, tables

PAGE = Path(__file__).parents[1] / "modelcollapse" / "explore" / "page"
OWN = sorted(path for path in PAGE.iterdir() if not path.name.startswith("uPlot"))


def test_what_the_page_names_is_sent() -> None:
    named = re.findall(r'(?:src|href)="([^"]+)"', (PAGE / "page.html").read_text())
    files = {name for name in named if not name.startswith("data:")}
    assert files <= server.files().keys()
    assert {path.name for path in OWN} - {"page.html"} <= files, "a file that the page does not use"
    assert "uPlot.iife.min.js" in files


def test_the_page_and_the_server_have_the_same_policy() -> None:
    (policy,) = re.findall(r'"Content-Security-Policy" content="([^"]+)"', (PAGE / "page.html").read_text())
    sent = server.HEADERS["Content-Security-Policy"]
    # only a header can say who may frame the page
    assert " ".join(policy.split()) == sent.removesuffix("; frame-ancestors 'none'") != sent


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_can_be_read(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 400
    assert max(map(len, lines)) <= 120
    assert "//" not in re.sub(r"(?m)(^|\s)//.*|`//", "", path.read_text()).replace("/**/", ""), "an address"


def test_the_charts_come_with_their_licence() -> None:
    assert "uPlot" in (PAGE / "uPlot.iife.min.js").read_text()[:60]
    assert "The MIT License" in (PAGE / "uPlot.LICENSE").read_text()


def test_every_label_is_for_a_control() -> None:
    page = (PAGE / "page.html").read_text()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    named = re.findall(r'(?:for|aria-controls|aria-describedby)="([^"]+)"', page)
    named += " ".join(re.findall(r'aria-labelledby="([^"]+)"', page)).split()
    assert named
    assert set(named) <= set(ids)


def test_what_the_scripts_look_up_is_on_the_page() -> None:
    ids = set(re.findall(r'\bid="([^"]+)"', (PAGE / "page.html").read_text()))
    for path in OWN:
        if path.suffix == ".js":
            asked = set(re.findall(r'\$\("([^"]+)"\)', path.read_text()))
            assert asked <= ids, path.name


def test_a_share_of_every_regime_says_what_it_is_of() -> None:
    for choice in choices.REGIMES.values():
        assert bool(choice.share_label) == choice.shared, choice.name
    assert "real" not in choices.REGIMES["retain"].share_label
    assert "before the detector" in choices.REGIMES["detected"].share_label


def test_the_items_of_a_share_are_those_of_a_run() -> None:
    counted = [choice for choice in choices.REGIMES.values() if choice.counted]
    assert [choice.name for choice in counted] == ["fresh", "fixed", "retain"]
    found = choices.items(choices.SHARES, choices.SIZES)
    for i, share in enumerate(choices.SHARES):
        for j, size in enumerate(choices.SIZES):
            for choice in counted:
                ready = choice.make(share).prepared(None, None, np.full(3, size))  # type: ignore[attr-defined]
                assert found[i][j] == ready.share.counts, (choice.name, share, size)
    ten = dict(zip(choices.SHARES, found, strict=True))
    assert [ten[share][0] for share in (0.03, 0.05, 0.07, 0.1, 0.15)] == [0, 1, 1, 1, 2]
    assert tables.start()["items"] == choices.items(tables.SHARES, tables.SIZES)
    assert isinstance(counted[0].make(0.1), regimes.FreshReal)
