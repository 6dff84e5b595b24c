"""What is released says one thing in every place: version, requirements, extras, and the repository's address."""

import importlib.util
import re
import tomllib
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
GROUPS = [line for group in PYPROJECT["dependency-groups"].values() for line in group if isinstance(line, str)]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "https://example.org/them/modelcollapse"
CONDA = {"matplotlib": "matplotlib-base"}
"""Names of packages that conda calls otherwise."""


def loaded(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def own(requirement: str) -> list[str]:
    """The extras that ``modelcollapse[a,b]`` asks for; none of another package."""
    found = re.fullmatch(r"modelcollapse\[([\w,]+)\]", requirement)
    return found[1].split(",") if found else []


def test_version_and_licence_are_those_of_pyproject() -> None:
    cited, recipe = loaded("CITATION.cff"), loaded("recipe/recipe.yaml")
    assert cited["version"] == recipe["context"]["version"] == PROJECT["version"]
    assert cited["license"] == recipe["about"]["license"] == PROJECT["license"]
    assert cited["keywords"] == PROJECT["keywords"]
    assert [author["name"] for author in cited["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert PROJECT["description"] in (cited["abstract"].strip().rstrip("."), recipe["about"]["summary"])
    assert recipe["about"]["summary"] == PROJECT["description"]


def test_the_date_of_a_release_comes_with_the_release() -> None:
    released = f"\n## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert ("date-released" in loaded("CITATION.cff")) == released


def test_the_recipe_needs_what_pyproject_needs() -> None:
    recipe = loaded("recipe/recipe.yaml")
    python = re.sub(">=", "", PROJECT["requires-python"])
    assert recipe["context"]["python_min"] == python
    needed = {re.sub("^[a-z]+", lambda name: CONDA.get(name[0], name[0]), line) for line in PROJECT["dependencies"]}
    run = {line.replace(" ", "") for line in recipe["requirements"]["run"]}
    assert run == needed | {"python>=${{python_min}}"}
    host = {line.replace(" ", "") for line in recipe["requirements"]["host"]}
    assert host == {*PYPROJECT["build-system"]["requires"], "pip", "python${{python_min}}.*"}
    ((name, target),) = PROJECT["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [f"{name} = {target}"]


def test_no_requirement_has_two_bounds() -> None:
    bounds: dict[str, set[str]] = {}
    for line in [*PROJECT["dependencies"], *PYPROJECT["build-system"]["requires"], *GROUPS, *chain(*EXTRAS.values())]:
        if not own(line):
            name, bound = re.fullmatch(r"([\w.-]+)(?:\[\w+\])?(.*)", line).groups()
            bounds.setdefault(name.lower(), set()).add(bound)
    assert {name: found for name, found in bounds.items() if len(found - {""}) != 1} == {}


def test_extras_ask_for_extras_that_exist_and_all_has_what_is_light() -> None:
    asked = {extra for line in [*GROUPS, *chain(*EXTRAS.values())] for extra in own(line)}
    assert asked <= set(EXTRAS)
    heavy = {"parquet", "transformers", "cuda12", "cuda13", "tpu"}
    assert set(own(*EXTRAS["all"])) == set(EXTRAS) - heavy - {"all", "test", "docs"}


def test_the_page_on_installation_names_every_extra_and_requirement() -> None:
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    table = page.partition("| extra | what it is for |\n")[2].partition("\n\n")[0]
    assert {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])} == set(EXTRAS)
    (sentence,) = re.findall(r"Its requirements are (.*?)\.\s", page, re.DOTALL)
    assert re.findall(r"`(\w+)`", sentence) == [re.split(">=", line)[0] for line in PROJECT["dependencies"]]
    container = page.partition("```dockerfile\n")[2].partition("```")[0]
    assert len(container.splitlines()) == 6


def test_the_pins_keep_the_bounds() -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for line in [
        *PROJECT["dependencies"],
        *GROUPS,
        *chain(*(EXTRAS[name] for name in EXTRAS if name != "transformers")),
    ]:
        need = Requirement(line)
        if canonicalize_name(need.name) != "modelcollapse":
            assert pins[canonicalize_name(need.name)] in need.specifier, line


RELATIVE = re.compile(r"\]\((?!https://|#|mailto:)([^)\s]+)\)|(?:src|href)=\"(?!https://|#)")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_no_link_of_an_index_page_is_dead(build: ModuleType, address: str) -> None:
    assert RELATIVE.search(without_code(README))
    page = build.index_page(README, address, "0.1.0")
    assert not RELATIVE.search(without_code(page))
    assert "pip install ." not in page
    assert "pip install '." not in page
    assert "pip install 'modelcollapse[all]'" in page
    assert page.count("```") == README.count("```")
    # paragraphs stay apart: all but pictures and, without an address, the list of pages
    paragraphs = README.partition("## Read on")[0].count("\n\n") - (0 if address else README.count("!["))
    assert page.rpartition("## Read on" if address else "Apache-2.0.")[0].count("\n\n") == paragraphs
    paths = re.findall(rf"{ADDRESS}/(?:blob|raw)/v0\.1\.0/([^)#\s]+)", page)
    assert bool(paths) == bool(address)
    assert all((ROOT / path).exists() for path in paths)
    assert page.count("![") == (README.count("![") if address else 0)


def test_links_are_filled_in_or_leave_their_text(build: ModuleType) -> None:
    given = "![a](b.png)\n\nSee [*c*](d/e.md#f), [g](#h) and [i](https://j.k).\n\n[l](m)\n\n```python\nx[0](y)\n```\n"
    plain = "See *c*, [g](#h) and [i](https://j.k).\n\nl\n\n```python\nx[0](y)\n```\n"
    assert build.index_page(given, "", "1") == plain
    listed = f"{plain}\n## Read on\n\n[o](p.md)\n\nApache-2.0.\n"
    assert build.index_page(listed, "", "1") == f"{plain}\nApache-2.0.\n"
    filled = build.index_page(given, "https://a.b", "1")
    assert filled.startswith("![a](https://a.b/raw/v1/b.png)\n\nSee [*c*](https://a.b/blob/v1/d/e.md#f), [g](#h)")


def test_what_needs_the_address_is_there_if_it_is(build: ModuleType) -> None:
    assert build.urls("", "0.1.0") == {}
    assert {"Source": ADDRESS, "Changelog": f"{ADDRESS}/blob/v0.1.0/CHANGELOG.md"}.items() <= build.urls(
        ADDRESS, "0.1.0"
    ).items()
    assert build.citation("a: b\n", "") == "a: b\n"
    assert yaml.safe_load(build.citation("a: b\n", ADDRESS)) == {"a": "b", "repository-code": ADDRESS}
    for wrong in ("example.org/x", f"{ADDRESS}/", "https://", "http://example.org/x"):
        with pytest.raises(ValueError, match=re.escape(f"without / at its end: {wrong!r}")):
            build.repository({"address": wrong})


def test_the_address_is_written_in_one_place_alone(build: ModuleType) -> None:
    address = build.repository(PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"])
    for name in ("README.md", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md", "recipe/recipe.yaml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not address or address not in text, name
    assert "urls" not in PROJECT
    assert "repository-code" not in loaded("CITATION.cff")
