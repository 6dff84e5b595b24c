"""An earlier name of ``modelcollapse.verify``, kept for code that imports it."""

from modelcollapse.checks.claims import registry as registry
from modelcollapse.verify import *  # noqa: F403
