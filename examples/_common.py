"""What every example needs: its options, and a place for its figure."""

import argparse
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent


def parser(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--small", action="store_true", help="a few seconds instead of the full size")
    parser.add_argument("--docs", action="store_true", help="write the small picture of the documentation instead")
    parser.add_argument("--output", type=Path, help="folder of the figure (default: examples/output)")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def options(description, argv=None):
    return parser(description).parse_args(argv)


def folder(chosen, under=""):
    """Where the figure goes, and the tables beside it."""
    found = chosen.output or (HERE.parent / "docs" / "images" if chosen.docs else HERE / "output") / under
    found.mkdir(parents=True, exist_ok=True)
    return found


def save(figure, name, chosen, under=""):
    path = folder(chosen, under) / f"{name}.png"
    figure.savefig(path, dpi=100 if chosen.docs else 150)
    if chosen.docs:  # a palette of 256 colours takes a third of the room
        Image.open(path).convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)
    print(f"figure: {path}")


def table(header, rows):
    """Print ``rows`` of (label, prediction, simulation, standard error)."""
    print(f"{header:44s} {'prediction':>12s} {'simulation':>12s}")
    for label, predicted, simulated, error in rows:
        print(f"{label:44s} {predicted:12.5g} {simulated:12.5g} ± {error:.2g}")
