"""What a causal model's head makes of its hidden states, and whether that needs logits. Needs the extra `local`.

A head that is a linear map needs none: `memkit_kernels.linear_surprisal` tells surprisal and entropy of the hidden states
themselves. Logits of 256 tokens in a vocabulary of 150,000 are 150 MB, and there are several of them on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

try:
    import torch

    from memkit_kernels import linear_surprisal
except ImportError as error:
    raise ImportError('causal models need the extra "local" of agentic-memkit (transformers, torch)') from error

PROBE = 4  # tokens on which a head is compared with the model; the least window


class Head(Protocol):
    """Rows of a model, and what they tell."""

    @property
    def why(self) -> str:
        """Why logits are made, or "" where they are not."""
        ...

    @property
    def words(self) -> int:
        """The size of the vocabulary."""
        ...

    def rows(self, tokens: torch.Tensor, cache: Any, /) -> tuple[torch.Tensor, Any]:
        """A row for each token of `[1, tokens]`, that of the newest last; and the cache with all of them, if it has one."""
        ...

    def told(self, rows: torch.Tensor, labels: torch.Tensor, /) -> tuple[torch.Tensor, torch.Tensor]:
        """The surprisal of each label by its row, and the entropy, in nats and float32."""
        ...


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Logits would be `scale` times a linear map of the last hidden states, capped. See `linear_surprisal`."""

    model: Any
    linear: torch.nn.Linear
    scale: float
    softcap: float | None
    why: str = ""

    @property
    def words(self) -> int:
        return len(self.linear.weight)

    def rows(self, tokens: torch.Tensor, cache: Any, /) -> tuple[torch.Tensor, Any]:
        found = self.model.base_model(input_ids=tokens, past_key_values=cache, use_cache=True)
        return found.last_hidden_state[0].to(self.linear.weight.dtype), getattr(found, "past_key_values", None)

    def told(self, rows: torch.Tensor, labels: torch.Tensor, /) -> tuple[torch.Tensor, torch.Tensor]:
        found = linear_surprisal(
            rows,
            self.linear.weight,
            labels,
            bias=self.linear.bias,
            scale=self.scale,
            softcap=self.softcap,
            want=("surprisal", "entropy"),
        )
        return found.surprisal, found.entropy

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """As the model makes them, in its own dtype."""
        logits = self.linear(rows)
        if self.scale != 1.0:
            logits = logits * self.scale
        if self.softcap is not None:
            logits = torch.tanh(logits / self.softcap) * self.softcap
        return logits


@dataclass(frozen=True, slots=True)
class LogitsHead:
    """Any head: its logits are rows."""

    model: Any
    words: int
    why: str

    def rows(self, tokens: torch.Tensor, cache: Any, /) -> tuple[torch.Tensor, Any]:
        found = self.model(input_ids=tokens, past_key_values=cache, use_cache=True)
        return found.logits[0], getattr(found, "past_key_values", None)

    def told(self, rows: torch.Tensor, labels: torch.Tensor, /) -> tuple[torch.Tensor, torch.Tensor]:
        logs = torch.log_softmax(rows.float(), dim=-1)
        return -logs.gather(1, labels[:, None])[:, 0], torch.special.entr(logs.exp()).sum(1)


def head_of(model: Any) -> Head:
    """The head of a causal model of transformers: linear where a few tokens show that it is, else by logits."""
    size = model.get_input_embeddings().weight.shape[0]
    tokens = torch.tensor([[size * place // PROBE for place in range(PROBE)]], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=tokens, past_key_values=None, use_cache=True).logits[0]
        linear = model.get_output_embeddings()
        if type(linear) is not torch.nn.Linear:  # a subclass, such as a quantised one, may compute something else
            return LogitsHead(model, logits.shape[1], f"its head is a {type(linear).__name__}, not a Linear")
        head = LinearHead(model, linear, *_after(model.config))
        try:
            found = head.logits(head.rows(tokens, None)[0][None])[0]
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            return LogitsHead(model, logits.shape[1], f"its hidden states cannot be had alone ({error})")
    if not _same(found, logits, exact=head.scale == 1.0 and head.softcap is None):
        return LogitsHead(model, logits.shape[1], "they are not its hidden states times its output embeddings")
    return head


def _after(config: Any) -> tuple[float, float | None]:
    """Scale and cap of logits: Cohere multiplies, Granite divides, Gemma caps."""
    scale = float(getattr(config, "logit_scale", None) or 1.0) / float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return scale, float(cap) if cap else None


def _same(found: torch.Tensor, logits: torch.Tensor, *, exact: bool) -> bool:
    """Whether these are the model's logits, to a unit in the last place, since the product is the same call; four where
    scale and cap may be rounded in another order. NaN is NaN: damaged weights are told of when they are used."""
    if found.shape != logits.shape:
        return False
    ulp = (1 if exact else 4) * torch.finfo(found.dtype).eps
    return bool(torch.allclose(found.float(), logits.float(), rtol=ulp, atol=ulp, equal_nan=True))
