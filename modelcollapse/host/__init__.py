"""Models that live outside JAX: objects with ``fit`` and ``sample``, refitted on the host."""
