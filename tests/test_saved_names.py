"""A saved run may name only what is registered, by names that outlive the modules of this package."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from saved import edited, field, members, saved_coin
from toys import origin, place

import modelcollapse as mc

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def run() -> mc.Run:
    return saved_coin()[0]


@pytest.fixture(scope="module")
def whole() -> bytes:
    return saved_coin()[1]


# what is called


@pytest.mark.parametrize(
    "name", ["sys:exit", "os:abort", "os:system", "shutil:rmtree", "builtins:exec", "no.such:thing"]
)
@pytest.mark.parametrize("where", ["observables", "source"])
def test_a_file_cannot_name_what_nobody_registered(name: str, where: str, whole: bytes, tmp_path: Path) -> None:
    function = {"function": name}
    spec = {
        "observables": {"dict": {"entropy": {"part": "modelcollapse.Read", "fields": {"function": function}}}},
        "source": {"part": "modelcollapse.Sampler", "fields": {"draw": function}},
    }[where]
    path = tmp_path / "hostile.npz"
    path.write_bytes(field(where, spec)(whole))
    back = mc.Run.load(path)
    assert back["entropy"].shape == (3, 2)
    with pytest.raises(ValueError, match=f"uses the function {name}: import its module"):
        back.extend(1, record=[2])


def doubled(params: jax.Array) -> jax.Array:
    return 2 * params[0]


def test_a_function_comes_back_once_it_is_registered(tmp_path: Path) -> None:
    """As for a process that has defined it, and has run nothing: stood for by a name that nobody knows yet."""
    path = tmp_path / "run.npz"
    first = walk({"twice": doubled}, 2)
    first.save(path)
    named = "tests.elsewhere:doubled"
    path.write_bytes(edited(path.read_bytes(), functools.partial(rename, "test_saved_names:doubled", named)))
    with pytest.raises(ValueError, match=rf"modelcollapse\.register\(function, name='{named}'\)"):
        mc.Run.load(path).extend(1)
    mc.register(doubled, name=named)
    np.testing.assert_array_equal(mc.Run.load(path).extend(1)["twice"], walk({"twice": doubled}, 3)["twice"])


def rename(old: str, new: str, content: Any) -> None:
    """A saved name, wherever it stands."""
    if isinstance(content, dict):
        for key, value in content.items():
            if value == old:
                content[key] = new
            else:
                rename(old, new, value)
    elif isinstance(content, list):
        for value in content:
            rename(old, new, value)


def walk(observe: Any, generations: int, regime: Any = None) -> mc.Run:
    return mc.simulate(origin().family, origin(), regime, observe, size=3, generations=generations, chains=2)


# names


def saved_names(path: Path) -> set[str]:
    def found(content: Any) -> Iterator[str]:
        if isinstance(content, dict):
            yield from (v for k, v in content.items() if k in ("part", "function") and isinstance(v, str))
        for inner in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
            yield from found(inner)

    return set(found(json.loads(members(path.read_bytes())["header"].tobytes())))


def every_kind() -> mc.Run:
    """A run of many parts of the package."""
    regime = mc.Switch(mc.Mixture(0.5, 0.25, 0.25), mc.Retain(0.25, 0.25), 3)
    observe = {
        "mass": mc.tail_mass([1, 2]), "time": mc.absorption_time(), "below": mc.first_below("heterozygosity", 0.3),
        "entropy": "entropy", "loss": "lost",
    }  # fmt: skip
    return mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), regime, observe, size=6, generations=4, chains=2, seed=5
    )


def test_a_file_of_the_first_day_of_its_format_still_loads() -> None:
    """Written when format 2 was new. Whatever moves or is renamed since, ``formerly=`` must lead to it."""
    old, new = mc.Run.load(DATA / "format_2.npz"), every_kind()
    for name in new.trace:
        np.testing.assert_allclose(old[name], new[name], rtol=1e-12)
    assert repr(old.regime) == repr(new.regime)
    assert jax.tree.structure((old.family, old.source, old.regime, old.observables, old.state)) == jax.tree.structure(
        (new.family, new.source, new.regime, new.observables, new.state)
    )


def test_names_of_the_package_are_no_module_paths(tmp_path: Path) -> None:
    every_kind().save(tmp_path / "run.npz")
    names = saved_names(tmp_path / "run.npz")
    assert {"modelcollapse.Discrete", "modelcollapse.Switch", "modelcollapse.entropy"} <= names
    assert all(name.count(".") == 1 and ":" not in name for name in names)


def regime_class(name: str | None = None, formerly: Any = (), within: str = "Own") -> Any:
    """A regime of one's own, as a cell of a notebook defines it, once more at each call."""

    class Own(mc.Replace):
        pass

    Own.__qualname__ = within
    return mc.part(name=name, formerly=formerly)(Own)


def test_a_cell_that_runs_again_takes_its_own_name(tmp_path: Path) -> None:
    first, second = regime_class(), regime_class()
    walk(place, 1, first()).save(tmp_path / "run.npz")
    assert "test_saved_names:Own" in saved_names(tmp_path / "run.npz")
    assert type(mc.Run.load(tmp_path / "run.npz").regime) is second


def test_another_class_cannot_take_a_name() -> None:
    regime_class("acme.Regime")
    with pytest.raises(ValueError, match=r"'acme\.Regime' belongs to test_saved_names:Own already"):
        regime_class("acme.Regime", within="Another")
    for name in ("modelcollapse.Replace", "modelcollapse.Mine", ""):
        with pytest.raises(ValueError, match="name must be a text that does not begin with 'modelcollapse'"):
            regime_class(name)
    with pytest.raises(TypeError, match="formerly must be a list of names, got 'acme'"):
        regime_class(formerly="acme")


def test_a_part_that_was_renamed_is_found_under_its_old_name(tmp_path: Path) -> None:
    walk(place, 1, regime_class("acme.Old", within="Old")()).save(tmp_path / "run.npz")
    assert "acme.Old" in saved_names(tmp_path / "run.npz")
    new = regime_class("acme.New", ["acme.Old"], within="New")
    assert type(mc.Run.load(tmp_path / "run.npz").regime) is new


def test_functions_have_names_too(tmp_path: Path) -> None:
    @mc.register(name="acme.twice")
    def twice(params: jax.Array) -> jax.Array:
        return 2 * params[0]

    walk({"x": twice}, 1).save(tmp_path / "run.npz")
    assert mc.Run.load(tmp_path / "run.npz").extend(1)["x"].shape == (2, 3)
    with pytest.raises(ValueError, match=r"register it with name="):
        mc.register(lambda params: params)
    with pytest.raises(TypeError, match="function must be a function, got 3"):
        mc.register(3)  # type: ignore[call-overload]


def test_saving_says_what_will_not_come_back(tmp_path: Path) -> None:
    @mc.part
    class Local(mc.Replace):
        pass

    with pytest.warns(
        UserWarning, match=r"will not find test_saved_names:.*<lambda>, test_saved_names:.*<locals>\.Local"
    ):
        walk({"x": lambda params: params[0]}, 1, Local()).save(tmp_path / "run.npz")
