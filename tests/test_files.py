"""A saved run is whole or refused, and is written over nothing but a file."""

import dataclasses
import io
import os
import pickle
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from saved import archive, field, members, saved_coin, text
from toys import origin, place

import modelcollapse as mc


@pytest.fixture(scope="module")
def run() -> mc.Run:
    return saved_coin()[0]


@pytest.fixture(scope="module")
def whole() -> bytes:
    return saved_coin()[1]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "JAX_ENABLE_X64": "1"} | more


# what is refused


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
    "first format": (lambda _: archive(header=text('{"format": 1, "run": {"dict": {}}}')), "early copies of modelcollapse 0.1 wrote"),
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
    # a process that is killed between two calls leaves an empty file, which is removed after an hour
    for left in tmp_path.iterdir():
        if not left.stat().st_size:
            os.utime(left, (0, 0))
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
        run = mc.simulate(law.family, law, observe=place, size=3, generations=1)
        dataclasses.replace(run, source=law).save(tmp_path / "run.npz")
        back = mc.Run.load(tmp_path / "run.npz")
    assert back.source.params.dtype == jnp.bfloat16
