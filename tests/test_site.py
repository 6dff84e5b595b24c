"""Every page is in the contents, which are ordered by hand, and every public object says what it is.

The pages are built by `make docs`; nothing here needs Sphinx.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("modelcollapse", "modelcollapse_theory")
FIRST = "docs/index.md"
CONTENTS = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)


def entries(root, path):
    """The pages that the contents of a page name, from the root of the repository, in order."""
    for block in CONTENTS.findall((root / path).read_text("utf-8")):
        for line in block.splitlines():
            named = re.search(r"<(.+)>$", line)
            name = named.group(1) if named else line.strip()
            if name and not name.startswith(":"):
                target = (root / path).parent.joinpath(name).resolve().relative_to(root).as_posix()
                yield target if target.endswith(".rst") else target + ".md"


def reached(root, path):
    """A page and all that its contents lead to."""
    yield path
    if (root / path).exists():
        for inner in entries(root, path):
            yield from reached(root, inner)


def astray(root):
    """Pages that are not in the contents, are there twice, or do not exist; pages that the build writes are none."""
    patterns = ("docs/**/*.md", "theory/README.md", "theory/derivations/*.md", "*.md", "*/README.md")
    there = {path.relative_to(root) for pattern in patterns for path in root.glob(pattern)}
    # hidden folders are those of tools, such as pytest's cache
    there = {path.as_posix() for path in there if not any(part.startswith(".") for part in path.parts)}
    found = [path for path in reached(root, FIRST) if not path.startswith("docs/reference/subjects/")]
    return sorted({*there} ^ {*found}) + sorted(path for path in {*found} if found.count(path) > 1)


def test_every_page_is_in_the_contents_once():
    assert astray(ROOT) == []


def test_a_page_that_is_left_out_or_named_twice_is_seen(tmp_path):
    (tmp_path / "docs").mkdir()
    text = "```{toctree}\n:caption: Start\n\nconcepts\nREADME, whole <../README>\nconcepts\nmoved\n```\n"
    hidden = tmp_path / ".pytest_cache" / "README.md"
    hidden.parent.mkdir()
    hidden.write_text("")
    for name, words in {"docs/index.md": text, "docs/concepts.md": "", "docs/stray.md": "", "README.md": ""}.items():
        (tmp_path / name).write_text(words)
    assert astray(tmp_path) == ["docs/moved.md", "docs/stray.md", "docs/concepts.md"]


def test_a_dead_link_and_a_request_to_another_host_are_seen(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs/site"))
    links = importlib.import_module("links")
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a><a href="https://elsewhere.invalid">4</a>'
        '<img src="https://elsewhere.invalid/i.png"><script src="b.html"></script><a href="#here" id="here">5</a>'
    )
    (tmp_path / "b.html").write_text('<p id="there">')
    (tmp_path / "s.css").write_text(
        "@font-face { src: url(f.woff2) } i { background: url('//elsewhere.invalid/i.png') }"
    )
    assert links.wrong(tmp_path) == [
        "a.html: b.html#gone has no such anchor",
        "a.html: c.html is not there",
        "a.html loads https://elsewhere.invalid/i.png from another host",
        "s.css: f.woff2 is not there",
        "s.css loads //elsewhere.invalid/i.png from another host",
    ]


def subjects():
    """The table of the pages of the reference, read as it stands: the module needs Sphinx."""
    tree = ast.parse((ROOT / "docs/site/reference.py").read_text("utf-8"))
    (table,) = [n for n in tree.body if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "SUBJECTS"]
    return ast.literal_eval(table.value)


def test_the_reference_is_listed_in_its_own_order():
    listed = [Path(path).stem for path in entries(ROOT, "docs/reference/index.md")]
    assert listed == list(subjects())


def test_no_subject_of_the_reference_is_empty():
    for title, _, heads in subjects().values():
        for head in heads:
            name = head if head in PACKAGES else f"modelcollapse.{head}"
            assert importlib.util.find_spec(name), (title, head)


def public_modules():
    """Every module whose path has no private name."""
    names = [*PACKAGES]
    for package in PACKAGES:
        names += [m.name for m in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")]
    return [name for name in sorted(names) if not any(part.startswith("_") for part in name.split("."))]


def own_members(value):
    """Public methods and properties that a class defines itself."""
    kinds = (property, staticmethod, classmethod)
    for name, member in vars(value).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, kinds)):
            yield name


def declared():
    """Names that some protocol declares, so that a class may leave what they are to it."""
    found = set()
    for name in public_modules():
        for value in vars(importlib.import_module(name)).values():
            if inspect.isclass(value) and getattr(value, "_is_protocol", False):
                found |= {*vars(value), *vars(value).get("__annotations__", {})}
    return found


def silent(module, declared_names):
    """Public objects that a module defines without a word about what they are."""
    if not module.__doc__:
        yield module.__name__
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if (inspect.isclass(value) or inspect.isfunction(value)) and not inspect.getdoc(value):
            yield f"{module.__name__}.{name}"
        if inspect.isclass(value):
            for member in own_members(value):
                if member not in declared_names and not inspect.getdoc(getattr(value, member)):
                    yield f"{module.__name__}.{name}.{member}"


def test_every_public_object_says_what_it_is():
    names = declared()
    assert [each for name in public_modules() for each in silent(importlib.import_module(name), names)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def f(): pass", ["m.f"]),
        ("def f():\n  'It says.'", []),
        ("class A:\n  'One.'\n  def g(self): pass\n  def draw(self): pass", ["m.A.g"]),
        ("def _f(): pass", []),
    ],
)
def test_an_object_without_a_word_is_seen(code, found):
    module = type(pytest)("m", "Words.")
    exec(code, vars(module))
    assert list(silent(module, {"draw"})) == found
