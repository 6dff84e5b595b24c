"""An earlier name of ``modelcollapse.verify``, kept for code that imports it."""

from modelcollapse.verify import *  # noqa: F403
