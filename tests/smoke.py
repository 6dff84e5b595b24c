"""The shortest whole use of the library, for a machine where the suite does not run: simulate, extend, save, load."""

import tempfile
from pathlib import Path

import numpy as np

import modelcollapse as mc


def main() -> None:
    run = mc.simulate(mc.Gaussian(), mc.normal(), observe="log_variance", size=20, generations=3, chains=5)
    longer = run.extend(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        run.save(path)
        longer.save(path)  # over a file that is there
        again = mc.Run.load(path)
        assert [file.name for file in Path(folder).iterdir()] == ["run.npz"]
    np.testing.assert_array_equal(again["log_variance"], longer["log_variance"])
    np.testing.assert_array_equal(again["log_variance"][:, :4], run["log_variance"])
    print(run.summary())
    print(f"modelcollapse {mc.__version__}: {again['log_variance'].shape}")


if __name__ == "__main__":
    main()
