"""The network: a small transformer that reads and writes tokens of music, in PyTorch."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the network is."""

    tokens: int
    width: int = 256
    layers: int = 4
    heads: int = 4
    dropout: float = 0.1

    @property
    def head(self) -> int:
        """Width of a head."""
        return self.width // self.heads


def angles(positions: Tensor, head: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary embedding, shape `(positions, head)`."""
    frequencies = 10_000 ** (-torch.arange(0, head, 2, dtype=torch.float32) / head)
    turns = positions.float()[:, None] * frequencies[None]
    turns = torch.cat([turns, turns], dim=-1)
    return turns.cos(), turns.sin()


def rotated(values: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Values, shape `(..., positions, head)`, turned by their position."""
    half = values.shape[-1] // 2
    swapped = torch.cat([-values[..., half:], values[..., :half]], dim=-1)
    return values * cos + swapped * sin


class Layer(nn.Module):  # type: ignore[misc]
    """Attention and a feed-forward part, each with a normalisation before it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Shape `(batch, positions, width)` to the same."""
        batch, positions, width = x.shape
        qkv = self.qkv(self.norm1(x)).view(batch, positions, 3, self.shape.heads, self.shape.head)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        heard = functional.scaled_dot_product_attention(
            rotated(query, cos, sin).to(value.dtype),
            rotated(key, cos, sin).to(value.dtype),
            value,
            is_causal=True,
        )
        x = x + self.drop(self.out(heard.transpose(1, 2).reshape(batch, positions, width)))
        return x + self.drop(self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh")))


class Network(nn.Module):  # type: ignore[misc]
    """Tokens to the logits of what follows each."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.tokens, shape.width)
        self.drop = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.apply(_initialised)
        for layer in self.layers:
            for last in (layer.out, layer.down):
                nn.init.normal_(last.weight, std=0.02 / (2 * shape.layers) ** 0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Shape `(batch, positions)` to `(batch, positions, tokens)`."""
        cos, sin = angles(torch.arange(tokens.shape[1]), self.shape.head)
        x = self.drop(self.embedding(tokens))
        for layer in self.layers:
            x = layer(x, cos, sin)
        return functional.linear(self.norm(x), self.embedding.weight)


def loss(network: Network, rows: Tensor) -> Tensor:
    """Mean negative log likelihood of each token after the first, nats; padding does not count."""
    logits = network(rows[:, :-1])
    return functional.cross_entropy(
        logits.float().flatten(0, 1), rows[:, 1:].flatten(), ignore_index=0
    )


def _initialised(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
