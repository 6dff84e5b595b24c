"""An earlier name of ``modelcollapse.verify.registry``."""

from modelcollapse.verify.registry import *  # noqa: F403
