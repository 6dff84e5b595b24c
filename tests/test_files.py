"""A saved run is whole or refused, is written over nothing but a file, and may name only what is registered."""

import functools
import io
import json
import os
import pickle
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import origin, place

import modelcollapse as mc

DATA = Path(__file__).parent / "data"


def coin(generations: int = 1, observe: Any = "entropy") -> mc.Run:
    return mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.5]), observe=observe, size=5, generations=generations, chains=3
    )


@pytest.fixture(scope="module")
def run() -> mc.Run:
    return coin()


@pytest.fixture(scope="module")
def whole(run: mc.Run, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "run.npz"
    run.save(path)
    return path.read_bytes()


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "JAX_ENABLE_X64": "1"} | more


# what is refused


def members(whole: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(whole)) as file:
        return dict(file)


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def text(header: str) -> np.ndarray:
    return np.frombuffer(header.encode(), np.uint8)


def edited(whole: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The file with another header: ``change`` is given what it holds, and may change the arrays too."""
    arrays = members(whole)
    content = json.loads(arrays.pop("header").tobytes())
    change(content)
    return archive(**arrays, header=text(json.dumps(content)))


def field(name: str, spec: Any) -> Callable[[bytes], bytes]:
    """One field of the run replaced."""
    return lambda whole: edited(whole, lambda content: content["run"]["dict"].update({name: spec}))


def without_an_array(whole: bytes) -> bytes:
    arrays = members(whole)
    return archive(**{name: array for name, array in arrays.items() if name != "array0"})


def with_another_trace(whole: bytes) -> bytes:
    arrays = members(whole)
    return archive(**{name: array[:2] if array.shape == (3, 2) else array for name, array in arrays.items()})


def absurd(shape: tuple[int, ...]) -> Callable[[bytes], bytes]:
    """An archive whose one array claims a shape that its bytes do not fill."""

    def made(whole: bytes) -> bytes:
        npy = io.BytesIO()
        np.lib.format.write_array_header_1_0(npy, {"descr": "<f8", "fortran_order": False, "shape": shape})
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("header.npy", npy.getvalue() + bytes(64))
        return file.getvalue()

    return made


def endless(whole: bytes) -> bytes:
    """An archive whose one array describes itself at a length for which NumPy's advice is to unpickle it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("header.npy", np.lib.format.magic(1, 0) + (20_000).to_bytes(2, "little") + b" " * 20_000)
    return file.getvalue()


def bomb(whole: bytes) -> bytes:
    """An archive that claims an exabyte for its first member, in its directory at the end."""
    changed = bytearray(archive(header=np.zeros(9), x=np.zeros(9)))
    entry = changed.index(b"PK\x01\x02")
    changed[entry + 24 : entry + 28] = b"\xff" * 4  # the size is in a field of 64 bits
    length = int.from_bytes(changed[entry + 28 : entry + 30], "little")
    extra = b"\x01\x00\x08\x00" + (2**60).to_bytes(8, "little")
    changed[entry + 30 : entry + 32] = len(extra).to_bytes(2, "little")
    at = entry + 46 + length
    changed[at:at] = extra
    end = changed.rindex(b"PK\x05\x06")
    size = int.from_bytes(changed[end + 12 : end + 16], "little") + len(extra)
    changed[end + 12 : end + 16] = size.to_bytes(4, "little")
    return bytes(changed)


def evil_part(whole: bytes) -> bytes:
    return field("family", {"part": "somewhere.evil:Part", "fields": {}})(whole)


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is not a saved run"),
    "half": (lambda whole: whole[: len(whole) // 2], "is not a saved run"),
    "words": (lambda _: b"hello world", "is not a saved run"),
    "one array": (lambda _: np.lib.format.magic(1, 0) + b"nothing", "is not a saved run"),
    "pickle": (lambda _: pickle.dumps({"a": 1}), "is not a saved run"),
    "pickle inside": (lambda _: archive(header=np.array([{"a": 1}], object)), "is not a saved run"),
    "no header": (lambda _: archive(x=np.zeros(3)), "it has no header"),
    "header of bytes": (lambda _: archive(header=np.full(9, 255, np.uint8)), "is not a saved run"),
    "header of no end": (lambda _: archive(header=text("[" * 100_000)), "is not a saved run"),
    "header is a list": (lambda _: archive(header=text("[1, 2]")), "has format None"),
    "no run": (lambda _: archive(header=text('{"format": 2}')), "cannot be loaded"),
    "run is a number": (lambda _: archive(header=text('{"format": 2, "run": 3}')), "cannot be loaded"),
    "no fields": (lambda _: archive(header=text('{"format": 2, "run": {"dict": {}}}')), "lacks family, source"),
    "first format": (lambda _: archive(header=text('{"format": 1, "run": {"dict": {}}}')), "modelcollapse 0.1 wrote"),
    "later format": (lambda _: archive(header=text('{"format": 99}')), "has format 99, this version reads 2"),
    "array gone": (without_an_array, "cannot be loaded"),
    "fewer chains": (with_another_trace, "trace does not hold 3 chains"),
    "state is a number": (field("state", {"value": 3}), "cannot be loaded"),
    "trace is a number": (field("trace", {"value": 3}), "lacks trace"),
    "unknown kind": (field("family", {"lambda": "x"}), "holds 'lambda'"),
    "unknown part": (evil_part, r"import the module 'somewhere\.evil' before loading"),
    "named part": (field("family", {"part": "acme.Part", "fields": {}}), "import the module that defines it before"),
    "other fields": (field("family", {"part": "modelcollapse.Discrete", "fields": {"x": {"value": 1}}}), "cannot be"),
    "shape of a petabyte": (absurd((2**50,)), "does not hold"),
    "shape of more than 64 bits": (absurd((2**60, 2**60)), "does not hold"),
    "layout of 20,000 bytes": (endless, "is not a saved run"),
    "bomb": (bomb, "unpacks to 1152921504606847"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_a_whole_run_is_refused_by_name(case: str, whole: bytes, tmp_path: Path) -> None:
    made, message = BROKEN[case]
    path = tmp_path / "broken file.npz"
    path.write_bytes(made(whole))
    with pytest.raises(ValueError, match=message) as caught:
        mc.Run.load(path)
    assert str(path) in str(caught.value)
    shown: BaseException | None = caught.value
    while shown is not None:  # all that a traceback shows
        assert "pickle" not in str(shown)
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)


def test_no_part_of_a_run_is_a_run(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "part.npz"
    for length in range(0, len(whole), 211):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"part\.npz"):
            mc.Run.load(path)


def test_a_changed_byte_is_seen_or_changes_nothing(run: mc.Run, whole: bytes, tmp_path: Path) -> None:
    path, refused = tmp_path / "changed.npz", []
    for at in range(0, len(whole), 53):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            back = mc.Run.load(path)
        except ValueError as error:
            refused.append(str(error))
        else:  # a time stamp, or the like
            np.testing.assert_array_equal(back["entropy"], run["entropy"])
            assert back.provenance == run.provenance
    assert len(refused) > 20
    assert all("changed.npz" in message for message in refused)


def test_what_cannot_be_opened_is_no_value_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        mc.Run.load(tmp_path / "missing.npz")


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
    path.write_bytes(edited(path.read_bytes(), functools.partial(rename, "test_files:doubled", named)))
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
    assert "test_files:Own" in saved_names(tmp_path / "run.npz")
    assert type(mc.Run.load(tmp_path / "run.npz").regime) is second


def test_another_class_cannot_take_a_name() -> None:
    regime_class("acme.Regime")
    with pytest.raises(ValueError, match=r"'acme\.Regime' belongs to test_files:Own already"):
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

    with pytest.warns(UserWarning, match=r"will not find test_files:.*<lambda>, test_files:.*<locals>\.Local"):
        walk({"x": lambda params: params[0]}, 1, Local()).save(tmp_path / "run.npz")


# where it is written


@pytest.mark.parametrize("links", [1, 2])
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_leads_to_the_file(links: int, exists: bool, run: mc.Run, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real = tmp_path / "there" / "run.npz"
    if exists:
        real.write_bytes(b"old")
    path = tmp_path / "link.npz"
    path.symlink_to("there/run.npz")
    if links == 2:
        path, inner = tmp_path / "second.npz", path
        path.symlink_to(inner)
    run.save(path)
    assert path.is_symlink()
    assert not real.is_symlink()
    assert mc.Run.load(real).provenance == run.provenance
    assert os.listdir(tmp_path / "there") == ["run.npz"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664])
def test_a_file_keeps_its_mode(mode: int, run: mc.Run, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    path.write_bytes(b"old")
    path.chmod(mode)
    run.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    mc.Run.load(path)


def test_a_new_file_has_the_mode_of_any(run: mc.Run, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    run.save(tmp_path / "run.npz")
    assert (tmp_path / "run.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("kind", ["pipe", "directory", "socket", "link to a pipe"])
def test_only_files_are_written_over_and_read(
    kind: str, run: mc.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # paths of sockets are short
    path = Path("there")
    if kind == "directory":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("there")
    else:
        os.mkfifo("pipe")
        path = Path("pipe") if kind == "pipe" else path
        if kind != "pipe":
            path.symlink_to("pipe")
    before = path.stat()
    with pytest.raises(ValueError, match=rf"{path} is a {kind.split()[-1]}: a run can only be saved to a regular file"):
        run.save(path)
    with pytest.raises(ValueError, match=rf"{path} is a {kind.split()[-1]}, not a saved run"):
        mc.Run.load(path)
    assert (path.stat().st_ino, path.stat().st_mode) == (before.st_ino, before.st_mode)


def test_a_missing_folder_is_an_error_of_the_system(run: mc.Run, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run.save(tmp_path / "nowhere" / "run.npz")


# what goes wrong on the way


class FullDisk(OSError):
    pass


@pytest.mark.parametrize("failure", [FullDisk("no space left on device"), KeyboardInterrupt()], ids=["full", "stopped"])
@pytest.mark.parametrize("where", ["writing", "flushing"])
def test_a_save_that_fails_leaves_the_old_file_whole(
    where: str, failure: BaseException, run: mc.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.npz"
    run.save(path)
    before = path.read_bytes()

    def half(file: Any, **arrays: Any) -> None:
        file.write(before[: len(before) // 2])
        raise failure

    def nothing(descriptor: int) -> None:
        raise failure

    if where == "writing":
        monkeypatch.setattr(np, "savez_compressed", half)
    else:
        monkeypatch.setattr(os, "fsync", nothing)
    with pytest.raises(type(failure)):
        run.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]


def test_what_a_killed_process_left_is_removed_by_the_next(run: mc.Run, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    run.save(path)
    before = path.read_bytes()
    code = (
        "import os, sys, modelcollapse as mc; run = mc.Run.load(sys.argv[1]); "
        "os.fsync = lambda _: os.kill(os.getpid(), 9); run.save(sys.argv[1]); print('survived')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=environment(), capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert done.stdout == ""
    assert path.read_bytes() == before
    assert len(os.listdir(tmp_path)) == 2
    (tmp_path / ".run.npz.other").write_bytes(b"of somebody else")
    run.save(path)
    assert set(os.listdir(tmp_path)) == {"run.npz", ".run.npz.other"}


def test_a_writer_leaves_another_that_lives_alone(run: mc.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.npz"
    reached, going_on, sync = threading.Event(), threading.Event(), os.fsync

    def waiting(descriptor: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            reached.set()
            assert going_on.wait(60)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", waiting)
    other = threading.Thread(target=run.save, args=(path,))
    other.start()
    assert reached.wait(60)
    (unfinished,) = os.listdir(tmp_path)
    run.save(path)
    assert set(os.listdir(tmp_path)) == {"run.npz", unfinished}
    going_on.set()
    other.join()
    assert os.listdir(tmp_path) == ["run.npz"]
    mc.Run.load(path)


GOING_ON = """
import sys, modelcollapse as mc
run = mc.Run.load(sys.argv[1])
run = run.extend(1)
print("ready", flush=True)
while True:
    run.save(sys.argv[1])
    run = run.extend(1)
"""


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_a_process_that_saves_and_extends_may_be_killed_at_any_time(kills: int, tmp_path: Path) -> None:
    def gaussian(generations: int) -> mc.Run:
        setting: dict[str, Any] = {"observe": "log_variance", "size": 9, "chains": 4, "seed": 7}
        return mc.simulate(mc.Gaussian(), mc.normal(), generations=generations, **setting)

    path, rng = tmp_path / "run.npz", np.random.default_rng(0)
    gaussian(1).save(path)
    reached = [1]
    for _ in range(kills):
        with subprocess.Popen(
            [sys.executable, "-c", GOING_ON, str(path)], env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            threading.Event().wait(rng.uniform(0.02, 0.2))
            process.kill()
        reached.append(mc.Run.load(path).generations)
    assert sorted(reached) == reached
    assert reached[-1] > kills
    back = mc.Run.load(path)
    np.testing.assert_allclose(back["log_variance"], gaussian(back.generations)["log_variance"], rtol=1e-9)
    assert (
        sum(e["generations"][1] - e["generations"][0] + 1 for e in back.provenance["extended"]) == back.generations - 1
    )
    back.save(path)
    assert os.listdir(tmp_path) == ["run.npz"]


# precision


def test_loading_and_saving_again_loses_no_bit_in_the_other_precision(tmp_path: Path) -> None:
    run = mc.simulate(
        mc.Discrete(), mc.categorical([0.7, 0.2, 0.1]), mc.FreshReal(0.3), "entropy", size=5, generations=1
    )
    run.save(tmp_path / "first.npz")
    with jax.enable_x64(False):
        mc.Run.load(tmp_path / "first.npz").save(tmp_path / "second.npz")
    first, second = (members((tmp_path / name).read_bytes()) for name in ("first.npz", "second.npz"))
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype
        np.testing.assert_array_equal(first[name], second[name])


def test_bytes_of_other_floats_come_back(tmp_path: Path) -> None:
    with jax.enable_x64(False):
        law = mc.Law(origin().family, jnp.zeros(2, jnp.bfloat16))
        mc.simulate(law.family, law, observe=place, size=3, generations=1).replaced(source=law).save(
            tmp_path / "run.npz"
        )
        back = mc.Run.load(tmp_path / "run.npz")
    assert back.source.params.dtype == jnp.bfloat16
