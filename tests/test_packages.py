"""Real packages of synthetic data in the host loop: what the examples print is what theory, and the page, say.

Run by ``.ci/jobs/packages`` in an environment of their own; skipped where the packages are not installed.
"""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")

FOLDER = Path(__file__).parents[1] / "examples" / "packages"

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not part of the installed package"),
    # these packages warn of their own future
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture
def example(monkeypatch, tmp_path):
    """Run an example by name; what it returns, once its figure is seen to be there."""
    monkeypatch.syspath_prepend(str(FOLDER.parent))
    monkeypatch.syspath_prepend(str(FOLDER))

    def run(name, picture, *arguments):
        result = importlib.import_module(name).main([*arguments, "--output", str(tmp_path)])
        assert (tmp_path / f"{picture}.png").stat().st_size > 5000
        return result

    return run


NUMBER = r"(-?\d+\.\d+) ± (\d+\.\d+)"


def agrees(label, first, last):
    """Whether a row of the page's tables says what an example found at the first and at the last generation.

    Within two of its standard errors: seeds and versions are fixed, and only the rounding of another processor may
    lead fits elsewhere.
    """
    page = (FOLDER.parents[1] / "docs" / "packages.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {re.escape(label)} \|(.*)$", page, re.MULTILINE)
    said = [(float(value), float(error)) for value, error in re.findall(NUMBER, row)]
    return all(abs(value - found) <= 2 * error for (value, error), found in zip(said, (first, last), strict=True))


def near(rows, errors=5):
    """Whether simulations lie within so many standard errors of what is predicted."""
    return all(abs(simulated - predicted) < errors * error for _, predicted, simulated, error in rows)


def test_sdv_loses_quality_and_variance_on_its_own_tables_and_less_with_real_rows(example):
    pytest.importorskip("sdv")
    found = example("sdv_table", "packages_sdv")
    quality, mixed = found["replace"], found["fresh"]
    for label, means in (
        ("quality score, its own tables alone", quality),
        ("quality score, a quarter of real rows", mixed),
        ("log determinant, setosa, normal marginals", found["normal"]),
    ):
        assert agrees(label, means[0], means[-1]), label
    assert quality[-1] < quality[0] - 0.07
    assert mixed[-1] > quality[-1] + 0.02
    # a fall by 1.5 in five generations, as of a normal distribution on average
    logs = found["normal"]
    assert logs[-1] - logs[0] == pytest.approx(found["exact"][-1], abs=1.2)
    assert logs[-1] < logs[0] - 0.5
    assert found["beta"][-1] > 0  # chains with a column that has become constant


def test_a_normal_distribution_of_pomegranate_follows_the_exact_curve(example):
    pytest.importorskip("pomegranate")
    rows = example("pomegranate_normal", "packages_pomegranate")
    assert near(rows)
    assert agrees("log determinant, pomegranate", rows[0][2], rows[-1][2])
    assert rows[-1][1] - rows[0][1] == pytest.approx(-1.456, abs=1e-3)


def test_a_copula_with_normal_marginals_follows_the_exact_curve(example):
    pytest.importorskip("copulas")
    found = example("copulas_gaussian", "packages_copulas")
    for kind, rows in found.items():
        assert agrees(f"log determinant, {kind}", rows[0][2], rows[-1][2]), kind
    assert near(found["normal marginals"])
    assert not near(found["marginals of its choice"])


def test_transport_between_laws_has_its_exact_mean_and_samples_a_floor(example):
    pytest.importorskip("ot")
    rows, means, floor = example("pot_distance", "packages_pot")
    assert near(rows)
    for label, name in (
        ("`ot.emd2`, of samples", "emd2"),
        ("`ot.sliced`, of samples", "sliced"),
        ("of the laws, by `ot.gaussian`", "laws"),
    ):
        assert agrees(label, means[name][0], means[name][-1]), label
    assert means["emd2"][0] > floor / 2 > means["laws"][0]
    assert all(found[-1] > 2 * found[0] for found in means.values())


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("sdv_table", "sdv"),
        ("pomegranate_normal", "pomegranate"),
        ("copulas_gaussian", "copulas"),
        ("pot_distance", "ot"),
    ],
)
def test_without_the_package_a_script_says_how_to_install_it(name, package):
    code = f"import runpy, sys; sys.modules[{package!r}] = None; sys.argv = ['{name}.py']; sys.path.insert(0, '.')\n"
    code += "import importlib.util as u; found = u.find_spec\n"
    code += f"u.find_spec = lambda name, *rest: None if name == {package!r} else found(name, *rest)\n"
    code += f"runpy.run_path('{name}.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{name}.py needs ")
    assert package in done.stderr.splitlines()[0]
    assert "pip install --constraint constraints-packages.txt" in done.stderr
