"""Networks of torch as ``HuggingFace`` uses them: only borrowed, trained by a plain loop, judged token by token.

Nothing here is imported before a network is there. No setting of torch changes, and its random numbers go on as if
nothing had been drawn.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Weights: TypeAlias = dict[str, torch.Tensor]

SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")
"""The generation settings of a model that say what its tokens mean."""


@dataclasses.dataclass(frozen=True)
class Training:
    """How a fit goes: see ``HuggingFace``."""

    epochs: int
    batch: int
    rate: float
    last_rate: float
    decay: float
    at_once: int

    def rate_at(self, step: int, steps: int) -> float:
        """The rate of ``step`` 0, ..., ``steps - 1``: a half cosine."""
        return self.last_rate + (self.rate - self.last_rate) * (1 + math.cos(math.pi * step / steps)) / 2


@contextlib.contextmanager
def lent(network: PreTrainedModel, weights: Weights | None, seed: int) -> Iterator[None]:
    """The network with these weights (None: its own) and random numbers of ``seed``; afterwards all is as before."""
    import torch
    from transformers import GenerationConfig

    device, settings, base = network.device, network.generation_config, copied(network)
    modes = [(module, module.training) for module in network.modules()]
    others = [] if device.type == "cpu" else [device.index or 0]
    try:
        if weights is not None:
            _set(network, weights)
        network.eval()
        # the model's own settings would fill in what a decoding does not name
        network.generation_config = GenerationConfig(**{name: getattr(settings, name) for name in SPECIAL})
        with torch.random.fork_rng(others, device_type=device.type if others else "cuda"):
            torch.random.default_generator.manual_seed(seed)
            if others:
                torch.get_device_module(device).manual_seed(seed)
            yield
    finally:
        network.generation_config = settings
        for module, mode in modes:
            module.training = mode
        network.zero_grad()
        _set(network, base)


def order_seed(seed: int) -> int:
    """Of the order of the blocks: another stream than that of dropout, which begins with ``seed`` itself."""
    return int(np.random.SeedSequence([seed, 1]).generate_state(1, np.uint64)[0] >> 1)


def trained(
    network: PreTrainedModel, tokens: np.ndarray, validation: np.ndarray | None, how: Training, seed: int
) -> tuple[Weights, np.ndarray]:
    """The weights after the epoch with the least loss on ``validation``, or after the last; and these losses."""
    import torch

    order = torch.Generator().manual_seed(order_seed(seed))
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=how.rate, weight_decay=how.decay)
    batches = math.ceil(len(tokens) / how.batch)
    losses: list[float] = []
    best = None
    for epoch in range(how.epochs):
        network.train()
        rows = torch.randperm(len(tokens), generator=order).numpy()
        for i in range(batches):
            for group in optimizer.param_groups:
                group["lr"] = how.rate_at(epoch * batches + i, how.epochs * batches)
            loss = _step(network, optimizer, tokens[rows[i * how.batch : (i + 1) * how.batch]], how.at_once)
            _check_finite(loss, f"step {i} of epoch {epoch}", how.rate)
        network.eval()
        if validation is not None:
            losses.append(-float(scored(network, validation, how.at_once).mean()))
            _check_finite(losses[-1], f"validation after epoch {epoch}", how.rate)
            if np.argmin(losses) == epoch:
                best = copied(network)
    return best or copied(network), np.array(losses)


def _step(network: PreTrainedModel, optimizer: torch.optim.Optimizer, tokens: np.ndarray, at_once: int) -> float:
    """One step; the mean loss of a token before it."""
    optimizer.zero_grad()
    total, predicted = 0.0, len(tokens) * (tokens.shape[1] - 1)
    for first in range(0, len(tokens), at_once):
        loss = _losses(network, tokens[first : first + at_once]).sum() / predicted
        loss.backward()
        total += float(loss.detach())
    optimizer.step()
    return total


def _check_finite(loss: float, where: str, rate: float) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"the fit diverged: the loss of {where} is {loss}; choose a smaller rate than {rate:g}"
        )


def scored(network: PreTrainedModel, tokens: np.ndarray, at_once: int) -> np.ndarray:
    """Log probability of each token but the first, float64 ``(n, L - 1)``."""
    import torch

    with torch.no_grad():
        chunks = [tokens[first : first + at_once] for first in range(0, len(tokens), at_once)]
        return -np.concatenate([_losses(network, chunk).double().cpu().numpy() for chunk in chunks])


def _losses(network: PreTrainedModel, tokens: np.ndarray) -> torch.Tensor:
    """Minus the log probability of each token but the first, float32 ``(n, L - 1)``."""
    import torch

    rows = torch.from_numpy(np.ascontiguousarray(tokens)).to(network.device)
    logits = network(rows, attention_mask=torch.ones_like(rows), use_cache=False).logits[:, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
    return losses.reshape(rows.shape[0], -1)


def tensors(network: PreTrainedModel) -> Weights:
    """What a file of weights holds, each tensor once: tied ones have one name."""
    kept = network.state_dict().keys()
    named = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return {name: tensor for name, tensor in named.items() if name in kept}


def copied(network: PreTrainedModel) -> Weights:
    """The weights on the CPU, in memory of their own."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors(network).items()}


def _set(network: PreTrainedModel, weights: Weights) -> None:
    """Give the network these weights, where it lies."""
    import torch

    with torch.no_grad():
        for name, tensor in tensors(network).items():
            tensor.copy_(weights[name])
