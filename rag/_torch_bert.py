"""The weights of `NumpyBert` in torch, for the many texts of an ingest.

Against transformers' BERT: texts are laid end to end, so that nothing is spent on padding; queries,
keys and values are one product; and where the processor multiplies bfloat16 the layers run in it,
half as long. Pooling and what leaves this file are float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag._bert import Bert, BertWeights, Layer, Linear, Norm

Floats = NDArray[np.float32]


class TorchBert(Bert):
    """For many texts, on the processor."""

    def __init__(self, weights: BertWeights, *, bfloat16: bool) -> None:
        import torch

        super().__init__(weights)
        self._type = torch.bfloat16 if bfloat16 else torch.float32
        self._layers = [self._layer(layer) for layer in weights.layers]

    def _forward(self, batch: list[tuple[int, Any]]) -> list[Floats]:
        """The last hidden states of each text, shape (its tokens, dimension)."""
        import torch

        lengths = [len(encoding.ids) for _, encoding in batch]
        ids = np.concatenate([encoding.ids for _, encoding in batch])
        x = self._weights.words[ids]
        x += np.concatenate([self._weights.positions[:length] for length in lengths])
        with torch.inference_mode():
            y = torch.from_numpy(self._weights.norm(x)).to(self._type)
            for layer in self._layers:
                y = self._through(layer, y, lengths)
            hidden: Floats = y.float().numpy()
        return np.split(hidden, np.cumsum(lengths)[:-1])

    def _through(self, layer: dict[str, Any], x: Any, lengths: list[int]) -> Any:
        from torch.nn.functional import gelu, linear

        mixed = self._attention(linear(x, *layer["qkv"]), lengths)
        x = self._norm(x + linear(mixed, *layer["attended"]), layer["attended_norm"])
        inner = gelu(linear(x, *layer["inner"]))
        return self._norm(x + linear(inner, *layer["outer"]), layer["outer_norm"])

    def _norm(self, x: Any, norm: tuple[Any, Any]) -> Any:
        from torch.nn.functional import layer_norm

        return layer_norm(x, (x.shape[1],), *norm, eps=float(self._weights.norm.epsilon))

    def _attention(self, qkv: Any, lengths: list[int]) -> Any:
        """Each text attends to itself alone."""
        import torch
        from torch.nn.functional import scaled_dot_product_attention as attention

        heads, mixed = self._weights.heads, []
        for part in qkv.split(lengths):
            # With an axis of one text, or torch would not take its quick kernel.
            query, key, value = part.view(len(part), 3, 1, heads, -1).permute(1, 2, 3, 0, 4)
            one = attention(query, key, value, scale=1.0)  # the scale is in the weights
            mixed.append(one[0].transpose(0, 1).reshape(len(part), -1))
        return torch.cat(mixed)

    def _layer(self, layer: Layer) -> dict[str, Any]:
        return {name: self._tensors(getattr(layer, name)) for name in Layer.__slots__}

    def _tensors(self, part: Linear | Norm) -> tuple[Any, Any]:
        """Shared with numpy in float32; torch wants the weight of a product as (out, in)."""
        import torch

        weight = torch.from_numpy(part.weight).to(self._type)
        if weight.dim() == 2:
            weight = weight.t() if self._type == torch.float32 else weight.t().contiguous()
        return weight, torch.from_numpy(part.bias).to(self._type)


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor has instructions for it; by emulation it would be slower."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux
        return False
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags
