"""``mc.show_versions`` tells what a report of an error needs, from the installed metadata, whatever is broken."""

import importlib.metadata
import io
import json

import jax
import pytest

import modelcollapse as mc
from modelcollapse import cache, environment
from modelcollapse.__main__ import main

PIECES = ["modelcollapse", "python", "dependencies", "extras", "jax", "devices", "cache", "threads"]
METADATA = {
    "modelcollapse": [
        "jax>=0.10", "numpy>=2.0", 'colorama>=1; sys_platform == "nowhere"', 'xarray>=9999; extra == "tables"', 'not-there>=1; extra == "gone"',
        'numpy>=2.0; extra == "here"', 'modelcollapse[gone,here]; extra == "all"', 'jax[plugin]>=0.10; extra == "chip"',
        'modelcollapse[round]; extra == "round"',
    ],
    "jax": ["numpy", 'no-such-plugin; extra == "plugin"', 'other; extra == "else"'],
}  # fmt: skip
EXTRAS = ["all", "chip", "gone", "here", "round", "tables"]


@pytest.fixture
def installed(monkeypatch):
    """Other metadata than those of this checkout."""

    class Told:
        def get_all(self, name):
            return EXTRAS if name == "Provides-Extra" else None

    monkeypatch.setattr(importlib.metadata, "requires", METADATA.get)
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: Told())


def test_everything_is_told(capsys, monkeypatch):
    monkeypatch.setattr(cache, "programs", lambda folder: (2, 3_000_000))  # others write there
    mc.show_versions()
    shown = capsys.readouterr().out
    found = environment.environment()
    assert list(found) == PIECES
    assert [line for line in shown.splitlines() if not line.startswith(" ")] == PIECES
    assert not any("failed" in piece for piece in found.values()), found
    assert found["modelcollapse"]["version"] == mc.__version__
    assert found["jax"]["version"] == jax.__version__
    assert found["jax"]["default dtype"] == "float64"
    with jax.enable_x64(False):
        assert environment.environment()["jax"]["default dtype"] == "float32"
    file = io.StringIO()
    mc.show_versions(file)
    assert file.getvalue() == shown
    assert not capsys.readouterr().out


def test_the_command_tells_the_same(capsys):
    assert main(["info"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "modelcollapse"
    assert main(["info", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["jax"]["default dtype"] == "float64"  # what JAX has here, not what commands simulate in
    assert content["extras"].keys() == environment.environment()["extras"].keys()


def test_extras_are_those_of_the_installed_metadata(installed):
    found = environment.environment()
    here = importlib.metadata.version
    assert found["dependencies"] == {"jax": here("jax"), "numpy": here("numpy")}
    extras = found["extras"]
    assert list(extras) == EXTRAS
    assert {name for name, extra in extras.items() if extra["complete"]} == {"here", "round"}
    assert extras["tables"]["packages"] == {"xarray": f"{here('xarray')} (needs >=9999)"}
    assert extras["gone"]["packages"] == {"not-there": "(missing)"}
    assert extras["all"]["packages"] == {"not-there": "(missing)", "numpy": here("numpy")}
    assert extras["chip"]["packages"] == {"jax": here("jax"), "no-such-plugin": "(missing)"}
    shown = environment.text(found)
    assert "  gone           missing  not-there (missing)\n" in shown
    assert f"  here           found    numpy {here('numpy')}\n" in shown


def broken(*_, **__):
    raise RuntimeError("half of it is gone")


@pytest.mark.parametrize(
    ("home", "name", "piece"),
    [
        (importlib.metadata, "requires", "dependencies"),
        (importlib.metadata, "metadata", "extras"),
        (jax, "devices", "devices"),
        (cache, "place", "cache"),
        (environment.processors, "count", "threads"),
        (environment.platform, "platform", "python"),
    ],
)
def test_a_broken_piece_does_not_hide_the_others(home, name, piece, monkeypatch, capsys):
    monkeypatch.setattr(home, name, broken)
    mc.show_versions()
    shown = capsys.readouterr().out
    assert "  failed         RuntimeError: half of it is gone" in shown
    found = environment.environment()
    assert "failed" in found[piece]
    assert [name for name in found if "failed" in found[name]] in ([piece], ["dependencies", "extras"])


def test_a_package_that_was_half_removed(monkeypatch):
    whole = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: None if name == "scipy" else whole(name))
    found = environment.environment()["dependencies"]
    assert found["scipy"].startswith("(broken: ")
    assert found["numpy"] == whole("numpy")


def test_the_cache_is_told_with_what_it_holds(monkeypatch, tmp_path):
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    for name, size in (("a-cache", 1_000_000), ("b-cache", 500_000), ("a-atime", 7)):
        (tmp_path / name).write_bytes(bytes(size))
    before = jax.config.values["jax_compilation_cache_dir"]
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path))
        assert environment.environment()["cache"] == {"used": str(tmp_path), "programs": 2, "megabytes": 1.5}
        jax.config.update("jax_compilation_cache_dir", None)
        assert environment.environment()["cache"]["used"] == "none in this process"
        monkeypatch.setenv(cache.VARIABLE, "off")
        assert environment.environment()["cache"]["keep_programs"] == "keeps nothing"
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
