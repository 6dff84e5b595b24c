"""An earlier name of ``modelcollapse.verify.runner``."""

from modelcollapse.claims import registry as registry
from modelcollapse.verify.runner import *  # noqa: F403
