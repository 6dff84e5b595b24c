"""Chains over two devices, in one process or two, are the chains of one device."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

import modelcollapse as mc
from modelcollapse.engine import devices

HERE = Path(__file__)


def runs(mesh: Any) -> dict[str, mc.Run]:
    """Five chains: one more than two devices share evenly, and with a mesh in two batches."""
    discrete = mc.simulate(
        mc.Discrete(), mc.categorical([0.5, 0.3, 0.2]), observe=["probabilities", "absorption_time"], size=40,
        generations=4, record=[2], chains=5, batch_size=None if mesh is None else 3, mesh=mesh,
    ).extend(2, record=[6], batch_size=None if mesh is None else 3, mesh=mesh)  # fmt: skip
    # kept as items first, as survivors later
    many = mc.simulate(
        mc.Discrete(), mc.categorical(np.full(100, 0.01)), observe=["probabilities", "support_size"], size=40,
        generations=8, record=[2, 8], chains=5, mesh=mesh,
    )  # fmt: skip
    normal = mc.simulate(
        mc.Gaussian(), mc.normal([0.0, 0.0]), observe=["log_variance", "mean"],
        size=9, generations=3, chains=5, mesh=mesh,
    )  # fmt: skip
    return {"discrete": discrete, "many": many, "normal": normal}


def traces(mesh: Any) -> dict[str, Any]:
    return {name: (run.trace, jax.tree.leaves(run.state)) for name, run in runs(mesh).items()}


def one_axis(axis_types: Any = (AxisType.Auto,)) -> Any:
    return jax.make_mesh((jax.device_count(),), ("chain",), axis_types=axis_types)


def launch(count: int, processes: int, tmp_path: Path) -> list[dict[str, Any]]:
    """What each process of a fresh job with ``count`` devices a process gets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE.parents[1] / "theory")]),
    }
    jobs = [
        subprocess.Popen(
            [sys.executable, str(HERE), str(tmp_path / f"{i}"), address, str(processes), str(i)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for i in range(processes)
    ]  # fmt: skip
    try:
        for job in jobs:
            out, _ = job.communicate(timeout=300)
            assert job.returncode == 0, out
    finally:
        for job in jobs:
            job.kill()
    return [pickle.loads((tmp_path / f"{i}").read_bytes()) for i in range(processes)]


@pytest.mark.parametrize(("count", "processes"), [(2, 1), pytest.param(1, 2, marks=pytest.mark.slow)])
def test_two_devices_give_the_numbers_of_one(count: int, processes: int, tmp_path: Path) -> None:
    alone = traces(None)
    for found in launch(count, processes, tmp_path):
        assert found.pop("devices") == 2
        for name, (trace, state) in alone.items():
            other, other_state = found[name]
            assert trace.keys() == other.keys()
            for one, two in zip([*trace.values(), *state], [*other.values(), *other_state], strict=True):
                if np.issubdtype(one.dtype, np.integer) or name != "normal":
                    np.testing.assert_array_equal(one, two)
                else:
                    np.testing.assert_allclose(one, two, rtol=1e-13, atol=1e-14)


@pytest.mark.slow
def test_a_mesh_of_one_device_is_no_mesh_and_a_run_on_it_goes_on() -> None:
    alone, meshed = runs(None), runs(one_axis())
    for name in alone:
        for observable, values in alone[name].trace.items():
            np.testing.assert_allclose(meshed[name][observable], values, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(
        alone["discrete"].extend(2)["probabilities"], meshed["discrete"].extend(2)["probabilities"]
    )


def test_a_mesh_must_have_one_automatic_axis() -> None:
    with pytest.raises(TypeError, match="mesh must be a"):
        devices.check(2)
    with pytest.raises(ValueError, match="one axis of type Auto"):
        devices.check(one_axis((AxisType.Explicit,)))
    with pytest.raises(ValueError, match="one axis of type Auto"):
        devices.check(jax.make_mesh((1, 1), ("a", "b"), axis_types=(AxisType.Auto,) * 2))


def main(path: str, address: str, processes: int, index: int) -> None:
    jax.config.update("jax_enable_x64", True)
    if processes > 1:
        jax.distributed.initialize(address, processes, index)
    out = traces(one_axis()) | {"devices": jax.device_count()}
    Path(path).write_bytes(pickle.dumps(out))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
