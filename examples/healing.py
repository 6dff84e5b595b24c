"""Does a model that learned from its own images recover once all images are real again? (arXiv 2311.12202)

A VAE is refitted for five generations on data of which 100, 50, 25, 10 or 3.3% are its own images, then for five on
real images only. A control sees real images all the time, in the same numbers. Two ways to refit: new weights each
generation, or the last ones trained for a quarter of the steps. What is measured is the Frechet distance to real images
in the features of a small classifier, the bound on real images that no model has seen, and the classes that the
classifier sees. Harm is the difference to the control after five generations; what is left of it after ten is 0 where
the model recovered.

New weights forget: they heal at once, in the very numbers of the control. Whether the last weights recover is what the
error bars say. A run that was stopped goes on after the last condition in its table.
"""

import csv
import dataclasses

import _common
import jax.numpy as jnp
import numpy as np
from matplotlib import pyplot
from scipy import stats
from tqdm.auto import tqdm

import modelcollapse as mc
from modelcollapse import datasets, plot
from modelcollapse.families import MLP
from modelcollapse.observables import images as io

CONTROL = 0.0
SHARES = (CONTROL, 0.033, 0.1, 0.25, 0.5, 1.0)
STARTS = {"fresh": "new weights", "warm": "the last weights"}
MEASURES = {"frechet": 1, "bound": -1}  # the sign of what is worse
HELD = 1000  # real images that no model sees
NAME = "healing"


@dataclasses.dataclass(frozen=True)
class Setting:
    """How large the experiment is."""

    size: int = 4000
    steps: int = 400
    latent: int = 10
    hidden: int = 128
    batch: int = 128
    rate: float = 2e-3
    chains: int = 3
    phase: int = 5  # generations before healing, and as many after
    images: int | None = None  # real images that models see; None: all but those held back
    shares: tuple[float, ...] = SHARES

    @property
    def family(self):
        network = MLP((self.hidden,))
        return mc.VAE(latent=self.latent, network=network, steps=self.steps, batch=self.batch, rate=self.rate)

    def started(self, start):
        """The family that begins from new weights, or from the last ones and takes a quarter of the steps."""
        few = {"warm_steps": max(self.steps // 4, 1)} if start == "warm" else {}
        return dataclasses.replace(self.family, start=start, **few)

    @property
    def stamp(self):
        """What a row of the table must agree with to be of this experiment."""
        return {"size": str(self.size), "steps": str(self.steps)}


SMALL = Setting(size=512, steps=60, latent=5, hidden=32, batch=64, chains=2, phase=2, images=1000, shares=(0, 0.1, 1.0))


class Images:
    """Real images of one kind, apart for models and for measures, and a classifier of them."""

    def __init__(self, pixels, labels, setting, seed):
        order = np.random.default_rng(seed).permutation(len(pixels))
        train = order[HELD:][: setting.images]
        self.source = mc.images(pixels[train])
        self.held = jnp.asarray(pixels[order[:HELD]].reshape(HELD, -1))
        steps = 2000 if setting.images is None else 200
        self.classifier = io.train_classifier(pixels[train], labels[train], hidden=64, steps=steps)
        again = pixels[train[-HELD:]].reshape(-1, self.held.shape[1])
        self.floor = float(io.frechet_distance(self.classifier, again, self.held))


DATA = {"digits": lambda: datasets.mnist_digits(), "clothes": lambda: datasets.fashion_mnist("test")}


def load(names=tuple(DATA)):
    """Those of the named data sets that are here; a line says how to get those that are not."""
    found = {}
    for name in names:
        try:
            found[name] = DATA[name]()
        except (ModuleNotFoundError, FileNotFoundError) as missing:
            print(f"{name} left out: {missing}")
    return found


def measured(real, setting, start, share, seed):
    """One condition, all generations and chains: a list of rows of the table."""
    family, end = setting.started(start), setting.phase
    run = mc.simulate(
        family,
        real.source,
        mc.Switch(mc.FreshReal(1 - share), mc.FreshReal(1.0), end + 1),
        {
            "frechet": io.FrechetDistance(family, real.classifier, real.held),
            "bound": io.EvidenceBound(real.held),
            "classes": io.ClassHistogram(family, real.classifier),
            "latents": io.Latents(family, draws=1000),
        },
        size=setting.size,
        generations=2 * end,
        chains=setting.chains,
        seed=seed,
    )
    rows = []
    for chain in range(setting.chains):
        for i, generation in enumerate(run.recorded):
            latents = run["latents"][chain, i]
            numbers = {name: run[name][chain, i] for name in MEASURES}
            numbers |= {f"class_{k}": value for k, value in enumerate(run["classes"][chain, i])}
            numbers |= {f"mean_{k}": value for k, value in enumerate(latents.mean(0), 1)}
            numbers |= {f"sd_{k}": value for k, value in enumerate(latents.std(0), 1)}
            texts = {name: f"{value:.5g}" for name, value in numbers.items()}
            rows.append({"chain": str(chain), "generation": str(generation), **texts})
    return rows


def key(row):
    return row["data"], row["start"], row["share"]


def read(path, setting, seed):
    """The rows of conditions that are complete and of this experiment."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="ascii") as lines:
        rows = [r for r in csv.DictReader(lines) if {"seed": str(seed), **setting.stamp}.items() <= r.items()]
    counts = {condition: sum(key(row) == condition for row in rows) for condition in set(map(key, rows))}
    whole = setting.chains * (2 * setting.phase + 1)
    return [row for row in rows if counts[key(row)] == whole]


def write(path, rows):
    """The whole table, in one move: a run that is stopped here loses nothing."""
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="ascii") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def curves(rows, setting):
    """Arrays ``(chains, generations + 1)`` of the measures and ``(chains, generations + 1, K)`` of classes."""
    found = {}
    shape = setting.chains, 2 * setting.phase + 1
    for condition in dict.fromkeys(map(key, rows)):
        mine = [row for row in rows if key(row) == condition]
        data, start, share = condition
        numbers = {name: np.reshape([float(row[name]) for row in mine], shape) for name in MEASURES}
        classes = [[float(value) for name, value in row.items() if name.startswith("class_")] for row in mine]
        found[data, start, float(share)] = numbers | {"classes": np.reshape(classes, (*shape, -1))}
    return found


def interval(values):
    """Mean of independent chains and half the length of its 95% interval (Student's t)."""
    n = len(values)
    return float(np.mean(values)), float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def verdict(harm, left):
    """What two differences to the control ``(chains,)`` say: after the generations on own images, and after healing."""
    (hurt, about), (rest, around), (gain, within) = interval(harm), interval(left), interval(harm - left)
    if hurt <= about:
        return "no harm seen"
    if rest > around:
        return "partial" if gain > within else "partial or none"
    return "full" if rest + around < 0.1 * hurt else "full or partial"


def recoveries(found, setting):
    """A row for each condition and measure: harm, what is left, the share of it that recovered, and a verdict."""
    rows = []
    for (data, start, share), numbers in found.items():
        if share == CONTROL:
            continue
        for measure, worse in MEASURES.items():
            control = found[data, start, CONTROL][measure]
            apart = worse * (numbers[measure] - control)
            harm, left = apart[:, setting.phase], apart[:, -1]
            told = verdict(harm, left)
            hurt, rest = interval(harm), interval(left)
            gone = "" if told == "no harm seen" else f"{1 - rest[0] / hurt[0]:.2f}"
            cells = {"harm": hurt[0], "harm_95": hurt[1], "left": rest[0], "left_95": rest[1]}
            rows.append(
                {"data": data, "start": start, "share": f"{share:g}", "measure": measure}
                | {name: f"{value:.3g}" for name, value in cells.items()}
                | {"recovered": gone, "verdict": told}
            )
    return rows


def main(argv=None):
    parser = _common.parser(__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), help="which images (default: both)")
    chosen = parser.parse_args(argv)
    setting = SMALL if chosen.small else Setting()
    suffix = "_small" if chosen.small else ""
    folder = _common.folder(chosen)
    path = folder / f"{NAME}_generations{suffix}.csv"
    rows = read(path, setting, chosen.seed)
    sets = load(chosen.data)
    if not sets:
        raise SystemExit("no images: install one of the two data sets")
    done = set(map(key, rows))
    conditions = [(data, start, share) for data in sets for start in STARTS for share in setting.shares]
    real = {name: Images(*images, setting, chosen.seed) for name, images in sets.items()}
    for data, start, share in tqdm(conditions, unit="condition", disable=None):
        if (data, start, f"{share:g}") in done:
            continue
        stamp = {"data": data, "start": start, "share": f"{share:g}", "seed": str(chosen.seed), **setting.stamp}
        rows += [stamp | row for row in measured(real[data], setting, start, share, chosen.seed)]
        write(path, rows)
    rows = [row for row in rows if row["data"] in sets]
    found = curves(rows, setting)
    floors = {name: images.floor for name, images in real.items()}
    table = recoveries(found, setting)
    write(folder / f"{NAME}{suffix}.csv", table)
    draw(found, floors, setting, chosen)
    for name, images in real.items():
        print(f"{name}: classifier {images.classifier.accuracy:.1%} right; real against real {images.floor:.2f}")
    report(table)
    return table


def draw(found, floors, setting, chosen):
    figure, axes = pyplot.subplots(len(floors), 4, figsize=(14, 3.5 * len(floors)), layout="constrained", squeeze=False)
    for (data, floor), row in zip(floors.items(), axes, strict=True):
        row[1].sharey(row[0])
        for axis, start in zip(row, STARTS, strict=False):
            over_generations(axis, found, data, start, floor, setting)
        recovered(row[2], found, data, setting)
        classes(row[3], found, data, setting)
    _common.save(figure, NAME, chosen)
    pyplot.close(figure)


def over_generations(axis, found, data, start, floor, setting):
    generations = np.arange(2 * setting.phase + 1)
    for i, share in enumerate(setting.shares):
        values = found[data, start, share]["frechet"]
        colour = "black" if share == CONTROL else pyplot.cm.viridis(1 - (i - 0.5) / (len(setting.shares) - 0.5))
        label = "none (control)" if share == CONTROL else f"{100 * share:g}%"
        error = values.std(0, ddof=1) / np.sqrt(len(values))
        axis.errorbar(generations, values.mean(0), error, color=colour, marker=".", lw=1.2, label=label)
    axis.axvline(setting.phase + 0.5, color="0.6", lw=0.8)
    axis.axhline(floor, color="0.6", lw=0.8, ls=":")
    axis.annotate("real against real", (0, floor), xytext=(0, 3), textcoords="offset points", fontsize=7, color="0.4")
    axis.annotate("real only", (setting.phase + 0.6, 0.97), xycoords=("data", "axes fraction"), fontsize=8, va="top")
    axis.set(yscale="log", xlabel="generation", ylabel="Frechet distance to real images")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("")
    axis.set_title(f"{data}, {STARTS[start]}", fontsize=10)
    title = f"own images in generations 1 to {setting.phase}"
    where = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.09)}
    axis.legend(frameon=False, fontsize=7, title=title, title_fontsize=7, ncols=3, **where)


def recovered(axis, found, data, setting):
    """Harm and what is left of it, each with its 95% interval."""
    shares = [share for share in setting.shares if share != CONTROL]
    places = np.arange(len(shares))
    looks = {"fresh": (plot.BLUE, "o", -0.12), "warm": (plot.VERMILION, "s", 0.12)}
    for start, (colour, marker, aside) in looks.items():
        apart = [found[data, start, s]["frechet"] - found[data, start, CONTROL]["frechet"] for s in shares]
        for column, fill, what in ((setting.phase, colour, "harm"), (-1, "white", "left after healing")):
            middle, about = np.transpose([interval(each[:, column]) for each in apart])
            label = f"{what}, {STARTS[start]}"
            axis.errorbar(places + aside, middle, about, fmt=marker, color=colour, mfc=fill, ms=5, lw=1, label=label)
    axis.axhline(0, color="0.6", lw=0.8)
    axis.set_yscale("symlog", linthresh=1)
    low, high = axis.get_ylim()
    axis.set_ylim(low, 30 * high)
    axis.set_xticks(places, [f"{100 * share:g}%" for share in shares])
    title = f"own images in generations 1 to {setting.phase}"
    axis.set(xlabel=title, ylabel="Frechet distance above the control")
    axis.set_title("harm and what is left (95% intervals)", fontsize=10)
    axis.legend(frameon=False, fontsize=7, loc="upper left")


def classes(axis, found, data, setting):
    """Class frequencies of the warm start that learned from nothing but its own images."""
    numbers = found[data, "warm", max(setting.shares)]["classes"]
    places = np.arange(numbers.shape[-1])
    shown = (
        (0, "0.6", "0"),
        (setting.phase, plot.VERMILION, str(setting.phase)),
        (-1, plot.BLUE, str(2 * setting.phase)),
    )
    for i, (column, colour, label) in enumerate(shown):
        middle, error = numbers[:, column].mean(0), numbers[:, column].std(0, ddof=1) / np.sqrt(len(numbers))
        axis.bar(places + 0.27 * (i - 1), middle, 0.27, yerr=error, color=colour, label=label, error_kw={"lw": 0.8})
    axis.axhline(0.1, color="black", lw=0.8, ls=":")
    names = datasets.FASHION if data == "clothes" else tuple(map(str, places))
    axis.set_xticks(places, names, rotation=50 if data == "clothes" else 0, fontsize=8)
    axis.set(ylabel="share of images", xlabel="class, by the classifier")
    axis.set_title(f"{STARTS['warm']}, {100 * max(setting.shares):g}% own images", fontsize=10)
    axis.set_ylim(top=1.25 * axis.get_ylim()[1])
    axis.legend(frameon=False, fontsize=7, ncols=3, loc="upper center", title="generation", title_fontsize=7)


def report(table):
    print(f"\n{'':34s} {'harm':>17s} {'left':>17s} {'recovered':>10s}   verdict (95% intervals, nominal)")
    for row in table:
        label = f"{row['data']}, {row['start']}, {100 * float(row['share']):g}% own, {row['measure']}"
        harm, left = (f"{row[name]:>8s} ± {row[name + '_95']:>6s}" for name in ("harm", "left"))
        print(f"{label:34s} {harm} {left} {row['recovered']:>10s}   {row['verdict']}")


if __name__ == "__main__":
    main()
