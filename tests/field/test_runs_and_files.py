"""What users met with runs that were extended, saved and handed on: each case as they had it, in one function."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest

import modelcollapse as mc


def dice(regime: object = None, generations: int = 10, **options: object) -> mc.Run:
    law = mc.categorical([0.5, 0.3, 0.2])
    given = {"observe": "heterozygosity", "size": 10, "chains": 20} | options
    return mc.simulate(mc.Discrete(), law, regime, generations=generations, **given)  # type: ignore[arg-type]


def test_eleven_fits_of_10_and_ten_of_200_are_predicted_as_such() -> None:
    (found,) = dice(record=[10]).extend(10, size=200, record=[20]).predict()
    np.testing.assert_allclose(found.values[-1], 0.62 * (1 - 1 / 10) ** 11 * (1 - 1 / 200) ** 10, rtol=1e-9)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (mc.Replace(), mc.FreshReal(0.5)),
        (mc.Replace(), mc.Accumulate()),
        (mc.Retain(0.5), mc.Accumulate()),
        (mc.Mixture(0.5, 0.3, 0.2), mc.Mixture(0.9, 0.0, 0.1)),
        (mc.FreshReal(np.linspace(0, 1, 11)), mc.FreshReal(np.linspace(1, 0, 21))),
    ],
)
def test_a_run_does_not_go_on_under_another_regime(first: object, then: object) -> None:
    with pytest.raises(ValueError, match="regime"):
        dice(first).extend(10, regime=then)


def test_a_run_made_in_64_bits_does_not_go_on_in_32(tmp_path: Path) -> None:
    def gaussian() -> mc.Run:
        return mc.simulate(mc.Gaussian(), mc.normal(), observe="log_variance", size=20, generations=5, chains=20)

    with jax.enable_x64(True):
        gaussian().save(tmp_path / "run.npz")
    with jax.enable_x64(False), pytest.raises(ValueError, match="float64"):
        mc.Run.load(tmp_path / "run.npz").extend(25)


def test_saving_writes_over_files_alone(tmp_path: Path) -> None:
    run = dice(generations=1)
    real, link, private, pipe = (tmp_path / name for name in ("real.npz", "link.npz", "private.npz", "pipe"))
    real.touch()
    link.symlink_to(real)
    private.touch(0o600)
    private.chmod(0o600)
    os.mkfifo(pipe)
    run.save(link)
    run.save(private)
    with pytest.raises(ValueError, match="pipe"):
        run.save(pipe)
    assert link.is_symlink()
    assert real.stat().st_size > 0
    assert private.stat().st_mode & 0o777 == 0o600
    assert pipe.is_fifo()


def test_loading_what_is_no_run_names_the_file(tmp_path: Path) -> None:
    dice(generations=1).save(tmp_path / "whole.npz")
    whole = (tmp_path / "whole.npz").read_bytes()
    header = np.frombuffer(b'{"format": 2, "run": {"dict": {}}}', np.uint8)
    (tmp_path / "empty.npz").touch()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.npz").write_text("hello world")
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "fields.npz", header=header)
    for path in sorted(set(tmp_path.iterdir()) - {tmp_path / "whole.npz"}):
        with pytest.raises(ValueError, match=path.name) as caught:
            mc.Run.load(path)
        assert "allow_pickle" not in str(caught.value)


def test_a_run_goes_to_netcdf_and_back(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    data = dice(generations=3, observe=["entropy", "absorbed", "lost"]).to_dataset()
    data.to_netcdf(tmp_path / "run.nc")
    with xarray.open_dataset(tmp_path / "run.nc") as back:
        assert back.load().equals(data)
