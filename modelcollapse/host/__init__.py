"""Models that live outside JAX: objects with ``fit`` and ``sample``, refitted on the host."""

from modelcollapse.host.hugging_face import HuggingFace

__all__ = ["HuggingFace"]
