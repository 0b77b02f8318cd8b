"""Chooses tokens: llama.cpp's own samplers in a chain, and a grammar that may hold them."""

import ctypes
import math
import secrets
import weakref
from collections.abc import Mapping, Set
from typing import Any

from llama_cpp import llama_cpp

from services.runtime.errors import InvalidRequest
from services.runtime.llama.decoder import Decoder
from services.runtime.llama.generation import Sampling
from services.runtime.llama.silence import silence
from services.runtime.llama.weights import Weights

#: What holds where neither the request nor the model says anything: llama.cpp's own.
DEFAULTS: Mapping[str, float] = {
    "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05,
    "presence_penalty": 0.0, "frequency_penalty": 0.0, "repeat_penalty": 1.0,
}  # fmt: skip
#: How many of the latest tokens count as a repetition.
REPEAT_WINDOW = 64
#: Closer to zero than these, logits of 32 bits overflow: what a grammar forbids would no longer be
#: told apart. A temperature below takes the likeliest, as none does.
_LEAST_TEMPERATURE, _LEAST_PENALTY = 1e-5, 1e-3
MOST_GRAMMAR = 200_000
"""Characters. llama.cpp reads grammars recursively, so both bounds protect the stack."""
MOST_NESTING = 500
#: llama.cpp takes this seed for none.
_NO_SEED = 0xFFFFFFFF


def settled(asked: Sampling, model: Mapping[str, float]) -> Sampling:
    """What is asked for, else what the model's `model.yaml` says, else the defaults."""
    chosen = {
        name: default if (value := getattr(asked, name)) is None else value
        for name, default in {**DEFAULTS, **model}.items()
    }
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    return Sampling(**chosen, seed=seed, logit_bias=asked.logit_bias)  # type: ignore[arg-type]


class Sampler:
    """The choices of one answer; remembers what it chose. Freed with the last reference to it."""

    def __init__(
        self, weights: Weights, sampling: Sampling, *, choice: int = 0, grammar: str = "",
        trigger: str = "", most: int = 0,
    ) -> None:  # fmt: skip
        """`sampling` is settled; `most` is the most tokens that there will be.

        Raises `InvalidRequest` for a grammar or a bias that cannot be used.
        """
        self._weights = weights
        self._grammar = _grammar(weights, grammar) if grammar else None
        self._trigger = trigger.encode()
        self._tail = b""
        self._chain: Any = llama_cpp.llama_sampler_chain_init(
            llama_cpp.llama_sampler_chain_default_params()
        )
        weakref.finalize(self, llama_cpp.llama_sampler_free, self._chain)
        biases = dict(sampling.logit_bias)
        if grammar:
            # A grammar is about text, and a control token's is never shown.
            biases |= dict.fromkeys(weights.controls, -math.inf)
        self._build(sampling, biases, (sampling.seed or 0) + choice, most)
        if self._grammar is not None:
            weakref.finalize(self, llama_cpp.llama_sampler_free, self._grammar)

    def sample(self, decoder: Decoder, at: int) -> int | None:
        """Chooses what follows token `at` of the last batch; None where the grammar allows nothing.

        Called once for each token.
        """
        if self._grammar is None:
            token: int = llama_cpp.llama_sampler_sample(self._chain, decoder.context, at)
            return token
        chosen = self._unbound(decoder, at) if self._trigger else self._bound(decoder, at)
        if chosen is not None:
            llama_cpp.llama_sampler_accept(self._chain, chosen)
        return chosen

    def _build(self, sampling: Sampling, biases: Mapping[int, float], seed: int, most: int) -> None:
        size = self._weights.size
        temperature = sampling.temperature or 0.0
        links = []
        if biases:
            table = (llama_cpp.llama_logit_bias * len(biases))(
                *(llama_cpp.llama_logit_bias(*bias) for bias in biases.items())
            )
            links.append(llama_cpp.llama_sampler_init_logit_bias(size, len(biases), table))
        if sampling.repeat_penalty != 1.0:
            links.append(
                llama_cpp.llama_sampler_init_penalties(
                    size,
                    REPEAT_WINDOW,
                    max(_LEAST_PENALTY, sampling.repeat_penalty or 0.0),
                    0.0,
                    0.0,
                )
            )
        if sampling.frequency_penalty or sampling.presence_penalty:
            links.append(
                llama_cpp.llama_sampler_init_penalties(
                    size, most, 1.0, sampling.frequency_penalty, sampling.presence_penalty
                )
            )
        if temperature < _LEAST_TEMPERATURE:
            links.append(llama_cpp.llama_sampler_init_greedy())
        else:
            links += [
                llama_cpp.llama_sampler_init_top_k(sampling.top_k),
                llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
                llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1),
                llama_cpp.llama_sampler_init_temp(temperature),
                llama_cpp.llama_sampler_init_dist(seed % _NO_SEED),
            ]
        for link in links:
            llama_cpp.llama_sampler_chain_add(self._chain, link)

    def _unbound(self, decoder: Decoder, at: int) -> int | None:
        """As long as the trigger has not come. The token that completes it has to fit already."""
        banned: set[int] = set()
        while True:
            token = self._choose(decoder, at, banned)
            if token is None:
                return None
            text = self._tail + self._weights.piece(token)
            begun = text.find(self._trigger)
            if begun < 0:
                self._tail = text[-len(self._trigger) :]
                return token
            if self._hold(text[begun:]):
                self._trigger = self._tail = b""
                return token
            banned.add(token)

    def _hold(self, text: bytes) -> bool:
        """Lets the grammar begin with what has been written already; False where it cannot."""
        begun = llama_cpp.llama_sampler_clone(self._grammar)
        for token in self._weights.tokenize(text.decode("utf-8", "replace"), special=False):
            if not _fits(begun, token):
                llama_cpp.llama_sampler_free(begun)
                return False
            llama_cpp.llama_sampler_accept(begun, token)
        weakref.finalize(self, llama_cpp.llama_sampler_free, begun)
        self._grammar = begun
        return True

    def _bound(self, decoder: Decoder, at: int) -> int | None:
        # The whole vocabulary goes through the grammar only where the first choice does not fit.
        token = self._choose(decoder, at)
        if token is None or not _fits(self._grammar, token):
            token = self._choose(decoder, at, held=True)
        if token is not None:
            llama_cpp.llama_sampler_accept(self._grammar, token)
        return token

    def _choose(
        self, decoder: Decoder, at: int, banned: Set[int] = frozenset(), *, held: bool = False
    ) -> int | None:
        candidates = decoder.candidates(at)
        for token in banned:
            candidates.data[token].logit = -math.inf
        if held:
            llama_cpp.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        llama_cpp.llama_sampler_apply(self._chain, ctypes.byref(candidates))
        chosen = candidates.data[candidates.selected]
        # Where nothing is allowed the samplers still choose something, with a probability of none.
        return int(chosen.id) if chosen.logit > -math.inf else None


def _fits(grammar: Any, token: int) -> bool:
    """Whether a grammar allows a token next. What it does not allow must never be accepted."""
    one = (llama_cpp.llama_token_data * 1)(llama_cpp.llama_token_data(token, 1.0, 0.0))
    alone = llama_cpp.llama_token_data_array(one, 1, -1, False)
    llama_cpp.llama_sampler_apply(grammar, ctypes.byref(alone))
    return bool(one[0].logit > -math.inf)


def _grammar(weights: Weights, text: str) -> Any:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    made = None
    if len(text) <= MOST_GRAMMAR and deepest <= MOST_NESTING:
        with silence():
            made = llama_cpp.llama_sampler_init_grammar(
                weights.vocabulary, text.encode("utf-8", "replace"), b"root"
            )
    if not made:
        raise InvalidRequest(
            "The answer's format cannot be made into a grammar: simplify the schema.",
            param="response_format",
        )
    return made
