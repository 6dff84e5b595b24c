"""What the library claims, one file per subject: each claim holds a simulation against theorems."""

import importlib
import pkgutil

from modelcollapse.verify.runner import REGISTRY, Claim

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def registry() -> dict[str, Claim]:
    """All claims of this package, and those that the user has registered."""
    return REGISTRY
