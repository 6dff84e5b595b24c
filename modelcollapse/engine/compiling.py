"""How long JAX has compiled so far, counted from the first time that somebody asks."""

from __future__ import annotations

import functools

import jax.monitoring

EVENT = "/jax/core/compile/backend_compile_duration"
"""What JAX says after each program, compiled or read from the cache on disk."""


@functools.cache
def _times() -> list[float]:
    """The seconds of each program from now on. A listener cannot be taken back by a public name, so there is one."""
    times: list[float] = []

    def listen(event: str, duration_secs: float, **_: object) -> None:
        if event == EVENT:
            times.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return times


def compiled() -> tuple[int, float]:
    """Programs and seconds; a difference of two answers is what lies between."""
    times = _times()
    return len(times), sum(times)
