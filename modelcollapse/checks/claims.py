"""An earlier name of ``modelcollapse.verify.runner``."""

import importlib

from modelcollapse.verify.runner import *  # noqa: F403
from modelcollapse.verify.runner import Claim


def registry() -> dict[str, Claim]:
    """All claims, those of the package included, which are loaded when they are first asked for."""
    return importlib.import_module("modelcollapse.claims").registry()
