"""The atlas and the errata are current, complete, and name nothing that does not exist."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

import modelcollapse_theory
from docs.pages import atlas
from modelcollapse.claims import registry
from modelcollapse.verify.runner import TIERS
from modelcollapse_theory._register import THEOREMS

ROOT = Path(__file__).parents[1]
OWN = [c for c in registry().values() if c.function.__module__.startswith("modelcollapse.claims.")]


def test_the_table_is_current():
    assert (ROOT / "theory" / "README.md").read_text(encoding="utf-8") == atlas.text(), (
        "run `python -m docs.pages.atlas`"
    )


def test_every_module_is_in_one_group_and_every_theorem_in_one_row():
    grouped = [name for names in atlas.GROUPS.values() for name in names]
    assert sorted([*grouped, "plan"]) == sorted(atlas.modules())
    rows = re.findall(r"\| `(\w+\.\w+)` \| [^|]*\|$", atlas.text(), re.MULTILINE)
    assert sorted(rows) == sorted(THEOREMS)


def test_theorems_say_everything():
    for theorem in THEOREMS.values():
        assert all((theorem.statement, theorem.conditions, theorem.order, theorem.source)), theorem.function
        for page in re.findall(r"theory/derivations/[\w-]+\.md", theorem.source):
            assert (ROOT / page).is_file(), (theorem.function, page)


def test_theorems_are_tested_without_the_simulator():
    """By name, in a file that imports neither JAX nor the simulator."""
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "theory").glob("test_*.py")]
    alone = [text for text in tests if not re.search(r"^\s*(from|import) (jax|modelcollapse)\b", text, re.MULTILINE)]
    assert len(alone) == len(tests) > 20
    called = set(re.findall(r"\w+", "".join(text for text in alone if "base_cases" not in text)))
    assert [name for name in THEOREMS if name.partition(".")[2] not in called] == []


def test_claims_name_theorems_that_exist():
    unknown = {c.name: set(c.theorems) - set(THEOREMS) for c in OWN}
    assert not {name: missing for name, missing in unknown.items() if missing}
    # the claims on predictions test which theorem is taken, and the predictions name it
    assert all(c.theorems for c in OWN if c.section != "H. predictions")


def test_claims_name_derivations_that_exist():
    for claim in OWN:
        for page in re.findall(r"theory/derivations/[\w-]+\.md", claim.source):
            assert (ROOT / page).is_file(), (claim.name, page)


def test_every_section_and_tier_is_in_use():
    assert {c.section[0] for c in OWN} == set("ABCDEFGHIJKLMN")
    assert {c.tier for c in OWN} <= set(TIERS)
    assert len({c.name for c in OWN}) == len(OWN) > 60


def test_submodules_are_imported_when_first_used():
    assert set(modelcollapse_theory.__all__) == set(atlas.modules())
    for name in modelcollapse_theory.__all__:
        assert getattr(modelcollapse_theory, name) is importlib.import_module(f"modelcollapse_theory.{name}")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        modelcollapse_theory.nothing  # noqa: B018


def errata() -> list[list[str]]:
    """The rows of both tables of the page: four cells of text, a claim and a near miss."""
    lines = (ROOT / "docs" / "errata.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    return [row for row in rows if row[0] not in ("published", "statement", "---")]


def test_errata_name_claims_and_near_misses_that_exist():
    rows = errata()
    assert len(rows) > 12
    for *text, claim, near_miss in rows:
        assert [bool(cell) for cell in text] == [True] * 4
        if claim:
            assert claim in registry(), claim
            # the labels of near misses are written out in the source of the claim
            source = inspect.getfile(inspect.unwrap(registry()[claim].function))
            assert near_miss in Path(source).read_text(encoding="utf-8"), near_miss


def test_every_erratum_is_executable():
    published = [row for row in errata() if row[1].startswith(("arXiv", "Nature"))]
    assert len(published) == 3
    assert all(claim and near_miss for *_, claim, near_miss in published)


def test_pages_mention_no_other_page_that_is_missing():
    for page in ((ROOT / "theory" / "README.md"), (ROOT / "docs" / "errata.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), (page.name, target)
