"""Any causal language model of the library transformers, fitted again and again by ``simulate_models``.

A plain training loop and the library's own ``generate``. The network that it is given is only borrowed: after each call
its weights are what they were, bit for bit, and so are its modes, its generation settings and torch's random numbers.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from modelcollapse import arguments
from modelcollapse.families.decoding import Beam, Greedy, Sampled
from modelcollapse.host.networks import Training, lent, scored, tensors, trained
from modelcollapse.numeric import shown

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.generation import BaseWatermarkingConfig

    from modelcollapse.host.networks import Weights

NEEDED = ("torch", "transformers", "safetensors")
"""What the constructor imports."""
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical",
    "epsilon_cutoff": "epsilon",
    "eta_cutoff": "eta",
    "repetition_penalty": "repetition",
}
"""Names of ``generate`` for the fields of ``Sampled``, except ``top_k``."""
HEADER = "modelcollapse"
OWN = (
    "max_new_tokens",
    "min_new_tokens",
    "max_length",
    "min_length",
    "num_return_sequences",
    "return_dict_in_generate",
)
"""Settings of ``generate`` that decide how many tokens come back."""
PAPER = Beam(5)
"""The decoding of Shumailov et al. (2024)."""


class HuggingFace:
    r"""A causal language model of transformers as a model for ``simulate_models``: blocks of tokens in and out.

    ``simulate_models(lambda: HuggingFace(network), tokens(blocks), Rewrite(0.1), size=len(blocks), generations=9)``:
    every generation is the same network, fine-tuned from the weights that it has when it is given here (its base).

    Parameters
    ----------
    model
        A ``PreTrainedModel`` with ``generate`` that scores the next token, such as ``AutoModelForCausalLM`` returns.
        Many objects may share one: each keeps its own weights on the CPU and lends them out for the time of a call.
    tokenizer
        For ``texts`` alone.
    epochs, batch
        A fit goes ``epochs`` times through the blocks, each time in a new random order, ``batch`` blocks a step.
    rate, last_rate, decay
        AdamW (betas 0.9 and 0.999) with weight decay ``decay``; the rate of step t of T is
        :math:`r_T + (r_0 - r_T)(1 + \cos(\pi t / T)) / 2`, from ``rate`` to ``last_rate``.
    validation
        Real blocks ``(m, L)``: the weights of the epoch with the least loss on them are kept. None: those of the last.
    decoding
        ``Beam``, ``Sampled`` or ``Greedy`` of ``mc.families``, which mean here what they mean there; or arguments of
        ``generate`` by name, such as ``{"num_beams": 5, "no_repeat_ngram_size": 3}``. What is not named has no effect,
        whatever the model's own generation settings say: there is no top-k of 50.
    watermark
        A ``WatermarkingConfig`` or ``SynthIDTextWatermarkingConfig`` of transformers, passed on to ``generate``.
    start
        Another such object, already fitted: the fit begins with its weights instead of the base. In a loop with a warm
        start ``make_model`` is ``lambda previous: HuggingFace(network, start=previous)``. None: the base.
    at_once
        So many blocks are in memory at once: in ``generate``, and in a step of the fit, where gradients add up to those
        of the whole batch. It changes memory, time and rounding, and which random numbers go where.
    device
        Where the network is moved to, "cpu", "cuda", ...; None leaves it where it is.

    Attributes
    ----------
    losses
        Of the last fit, float64 ``(epochs,)``: the mean loss of a predicted token of ``validation``, in nats, after
        each epoch; without ``validation`` empty.

    Raises
    ------
    ModuleNotFoundError
        If torch or transformers is not installed.
    TypeError, ValueError
        If an argument is not of its kind or out of range.

    Notes
    -----
    The loss of a block is :math:`-\sum_{t=2}^{L} \log p(x_t | x_1, \dots, x_{t-1}) / (L - 1)`: the first token is never
    predicted, and perplexity is the exponential of the mean over all predicted tokens, natural logarithms.

    The same seed gives the same tokens on one machine with one number of threads.

    The protocol is that of Shumailov et al., Nature 631 (2024) 755, where the base is OPT-125m.
    """

    tokens = True  # blocks of integers stay integers

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        epochs: int = 5,
        batch: int = 128,
        rate: float = 2e-5,
        last_rate: float = 1e-6,
        decay: float = 0.01,
        validation: ArrayLike | None = None,
        decoding: Beam | Sampled | Greedy | Mapping[str, Any] = PAPER,
        watermark: BaseWatermarkingConfig | None = None,
        start: HuggingFace | None = None,
        at_once: int = 32,
        device: str | None = None,
    ) -> None:
        absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if absent:
            raise ModuleNotFoundError(
                f"HuggingFace needs {', '.join(absent)}: pip install 'modelcollapse[transformers]'", name=absent[0]
            )
        self.model, self.tokenizer = _checked(model), tokenizer
        self.training = Training(
            arguments.count("epochs", epochs),
            arguments.count("batch", batch),
            arguments.positive("rate", rate),
            arguments.nonnegative("last_rate", last_rate),
            arguments.nonnegative("decay", decay),
            arguments.count("at_once", at_once),
        )
        self.decoding, self.watermark = _settings(decoding), watermark
        if start is not None and (not isinstance(start, HuggingFace) or start.weights is None):
            raise TypeError(f"start must be a fitted HuggingFace, or None, got {shown(start)}")
        if device is not None:
            model.to(device)
        self.begun = None if start is None else start.weights
        self.validation = None if validation is None else self._tokens("validation", validation)
        self.weights: Weights | None = None
        self.width: int | None = None
        self.losses = np.zeros(0)

    def fit(self, blocks: ArrayLike, random_state: int = 0) -> HuggingFace:
        """Fine-tune from the base to ``blocks``, whole numbers ``(n, L)``.

        Raises
        ------
        TypeError, ValueError
            If they are no blocks of at least two tokens, or a token is not in the model's vocabulary.
        FloatingPointError
            If the loss is not finite: the fit has diverged.
        """
        tokens = self._tokens("blocks", blocks)
        with lent(self.model, self.begun, random_state):
            found = trained(self.model, tokens, self.validation, self.training, random_state)
        self.weights, self.losses = found
        self.width = tokens.shape[1]
        return self

    def sample(self, n: int, random_state: int = 0, given: ArrayLike | None = None) -> np.ndarray:
        """``n`` blocks of tokens, int64 ``(n, L)``, of the length that was fitted.

        Block i continues block i of ``given``, ``(n, L)``, by as many tokens; without ``given`` each follows the token
        that the model begins a text with, so that all are alike where nothing is random, as in a beam search. None is
        shorter: the token that ends a text is never drawn.
        """
        n = arguments.whole("n", n)
        if given is None:
            prompts, new = np.full((n, 1), self._first()), self._length()
        else:
            prompts = self._tokens("given", given, least=1)
            new = prompts.shape[1]
            if len(prompts) != n:
                raise ValueError(f"given must have a row for each of the {n} draws, got {len(prompts)}")
        self._check_length(prompts.shape[1] + new)
        drawn = np.zeros((n, new), np.int64)
        at_once = self.training.at_once
        with lent(self.model, self.weights, random_state):
            for first in range(0, n, at_once):
                drawn[first : first + at_once] = self._continued(prompts[first : first + at_once], new)
        return drawn

    def log_probabilities(self, blocks: ArrayLike) -> np.ndarray:
        """Log probability of each token but the first of each of ``blocks`` ``(n, L)``, float64 ``(n, L - 1)``.

        Before a fit it is that of the base.
        """
        tokens = self._tokens("blocks", blocks)
        with lent(self.model, self.weights, 0):
            return scored(self.model, tokens, self.training.at_once)

    def perplexity(self, blocks: ArrayLike) -> float:
        """The exponential of the mean loss of all predicted tokens of ``blocks`` ``(n, L)``."""
        return math.exp(-self.log_probabilities(blocks).mean())

    def texts(self, blocks: ArrayLike) -> list[str]:
        """What the tokenizer makes of ``blocks`` ``(n, L)``."""
        if self.tokenizer is None:
            raise ValueError("texts need the tokenizer of the model: HuggingFace(model, tokenizer)")
        return [self.tokenizer.decode(block) for block in self._tokens("blocks", blocks, least=1)]

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted weights to a safetensors file at ``path``; the network's configuration is not in it."""
        from safetensors.torch import save_file

        if self.weights is None or self.width is None:
            raise ValueError("there is nothing to save before a fit")
        header = {"width": self.width, "losses": self.losses.tolist()}
        save_file(self.weights, path, metadata={HEADER: json.dumps(header)})

    def load(self, path: str | os.PathLike) -> None:
        """Take the weights of a file that ``save`` wrote; ValueError if it is of another network."""
        from safetensors import safe_open

        own = {name: tuple(tensor.shape) for name, tensor in tensors(self.model).items()}
        with safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            header = (file.metadata() or {}).get(HEADER)
            if found != own or header is None:
                name = next((name for name in own if found.get(name) != own[name]), "a header")
                raise ValueError(
                    f"{os.fspath(path)} holds the weights of another network: {name} is {found.get(name)} there and "
                    f"{own.get(name)} here"
                )
            self.weights = {name: file.get_tensor(name) for name in own}
        told = json.loads(header)
        self.width, self.losses = told["width"], np.array(told["losses"], np.float64)

    def _continued(self, prompts: np.ndarray, new: int) -> np.ndarray:
        import torch
        from transformers import GenerationConfig

        marked = {} if self.watermark is None else {"watermarking_config": self.watermark}
        own = self.model.generation_config
        end = own.eos_token_id[0] if isinstance(own.eos_token_id, list) else own.eos_token_id
        # nothing is padded
        pad = next((token for token in (own.pad_token_id, end) if token is not None), 0)
        rows = torch.from_numpy(np.ascontiguousarray(prompts)).to(self.model.device)
        out = self.model.generate(
            rows,
            attention_mask=torch.ones_like(rows),
            generation_config=GenerationConfig(
                max_new_tokens=new, min_new_tokens=new, pad_token_id=pad, bos_token_id=own.bos_token_id,
                eos_token_id=own.eos_token_id, **self.decoding, **marked,
            ),
        )  # fmt: skip
        return out[:, -new:].cpu().numpy()

    def _tokens(self, name: str, blocks: ArrayLike, least: int = 2) -> np.ndarray:
        """Blocks as int64 ``(n, L)``; refuses what the network cannot read."""
        found = np.asarray(blocks)
        if found.dtype.kind not in "iu":
            raise TypeError(f"{name} must be tokens, whole numbers, got {found.dtype}")
        if found.ndim != 2 or not len(found) or found.shape[1] < least:
            raise ValueError(f"{name} must have shape (n, L) with n >= 1 and L >= {least}, got {found.shape}")
        most = self.model.get_input_embeddings().num_embeddings - 1
        if found.min() < 0 or found.max() > most:
            wrong = found.min() if found.min() < 0 else found.max()
            raise ValueError(f"{name} must hold tokens from 0 to {most}, the model's vocabulary, got {wrong}")
        self._check_length(found.shape[1])
        return found.astype(np.int64)

    def _check_length(self, length: int) -> None:
        most = getattr(self.model.config, "max_position_embeddings", None)
        if most is not None and length > most:
            raise ValueError(f"the network reads at most {most} tokens, and prompt and continuation have {length}")

    def _first(self) -> int:
        own = self.model.generation_config
        found = own.bos_token_id if own.bos_token_id is not None else own.eos_token_id
        if found is None:
            raise ValueError(
                "the model has no token that begins a text, so that its draws need rows to continue: choose a regime "
                "that gives them, such as Rewrite"
            )
        return int(found[0] if isinstance(found, list) else found)

    def _length(self) -> int:
        if self.width is None:
            raise ValueError("a model draws blocks of the length that it was fitted to: fit it first, or give rows")
        return self.width


def _checked(model: PreTrainedModel) -> PreTrainedModel:
    from transformers import PreTrainedModel

    if not isinstance(model, PreTrainedModel) or not model.can_generate():
        raise TypeError(
            "model must be a causal language model of transformers, as AutoModelForCausalLM.from_pretrained(folder) "
            f"returns it, got {type(model).__name__}"
        )
    return model


def _settings(decoding: Beam | Sampled | Greedy | Mapping[str, Any]) -> dict[str, Any]:
    """A decoding as arguments of ``generate``."""
    from transformers import GenerationConfig

    if isinstance(decoding, Beam):
        # of log probabilities, as transformers has it in a beam search
        penalty = None if decoding.penalty is None else float(decoding.penalty)
        if decoding.width == 1 and penalty is not None:
            raise ValueError(
                "decoding must have a width of at least 2 beside a penalty, got Beam(1): transformers then searches "
                "greedily and penalises logits, which is Sampled(temperature=0, repetition=...)"
            )
        return {"num_beams": decoding.width, "repetition_penalty": penalty}
    if isinstance(decoding, Greedy):
        return {}
    if isinstance(decoding, Sampled):
        told = {name: vars(decoding)[own] for name, own in SAMPLING.items()}
        told = {name: None if value is None else float(value) for name, value in told.items()}
        if told["temperature"] == 0:
            return {"repetition_penalty": told["repetition_penalty"]}
        return {"do_sample": True, "top_k": decoding.top_k or 0, **told}
    if not isinstance(decoding, Mapping):
        raise TypeError(
            f"decoding must be a Beam, Sampled, Greedy or arguments of generate, got {shown(decoding)}; a watermark is "
            "given as watermark=WatermarkingConfig(...)"
        )
    known = vars(GenerationConfig())
    for name in decoding:
        if name in OWN or name not in known:
            why = "is decided by the blocks" if name in OWN else "is not one"
            raise ValueError(f"decoding must hold arguments of generate, and {name} {why}")
    return {"top_k": 0, **decoding} if decoding.get("do_sample") else dict(decoding)
