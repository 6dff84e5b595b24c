"""Processes under remedies whose predictions are compared with exact means."""

from __future__ import annotations

from fractions import Fraction as F

from exact_values import Gaussians, States
from remedy_normals import (
    CorrectedNormals,
    EnsembleNormals,
    PosteriorEvents,
    PosteriorNormals,
    PosteriorWaiting,
    ShrunkNormals,
)
from remedy_values import DampedStates, Larger, PosteriorStates, Remedy, ShrunkStates, StratifiedStates

THREE, AWAY = (F(1, 2), F(3, 8), F(1, 8)), (F(1, 4), F(1, 4), F(1, 2))
LINE, PLANE = ((4.0,),), ((4.0, 1.0), (1.0, 0.5))
ASIDE = ((1.0, -0.5), ((1.0, 0.25), (0.25, 2.0)))

PROCESSES: dict[str, Remedy] = {
    "posterior at the truth": PosteriorStates(THREE, None, F(3, 2)),
    "posterior elsewhere": PosteriorStates(THREE, AWAY, F(3, 2)),
    "smoothed": PosteriorStates(THREE, AWAY, F(3, 2), "item"),
    "mean of two posterior draws": PosteriorStates((F(1, 4), F(3, 4)), None, F(1, 2), refits=2),
    "stratified": StratifiedStates(THREE),
    "shrunk law": ShrunkStates(THREE, AWAY, F(1, 4)),
    "a quarter of a refit": DampedStates(THREE, F(1, 4)),
    "oversampled": Larger(States(THREE), 2),
    "oversampled gaussian": Larger(Gaussians((2.0,), LINE, 1), 2),
    "ensemble": Larger(States(THREE), 2, "own"),
    "ensemble on one sample": Larger(States(THREE), 2, "one"),
    "ensemble of gaussians on one sample": Larger(Gaussians((2.0,), LINE, 0), 2, "one"),
    "ensemble of gaussians": EnsembleNormals(PLANE, 3),
    "gaussian posterior": PosteriorNormals((2.0, -1.0), PLANE, ASIDE, 2.5),
    "gaussian posterior at the truth": PosteriorNormals((2.0,), LINE, None, 3.5),
    "gaussian reference prior": PosteriorNormals((2.0,), LINE, None),
    "gaussian reference prior in the plane": PosteriorNormals((2.0, -1.0), PLANE, None),
    "gaussian items": PosteriorNormals((2.0, -1.0), PLANE, ASIDE, 2.5, "item"),
    "shrunk gaussian": ShrunkNormals((2.0, -1.0), PLANE, ASIDE),
    "shrunk gaussian, ddof 0": ShrunkNormals((2.0,), LINE, None, 0.5, 0),
    "unbiased deviation": CorrectedNormals(LINE, "unbiased_deviation"),
    "unbiased log": CorrectedNormals(PLANE, "log_unbiased"),
    "poisson posterior": PosteriorEvents(1.5, 0.75, 2.5),
    "gamma posterior": PosteriorWaiting(2.5, 2.0, 1.5, 1.5),
    "gamma reference prior": PosteriorWaiting(2.5, 2.0, 2.0, 0.0),
}
