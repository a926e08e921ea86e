"""Scaled dot-product attention by its formula with every kind of mask, and nn.MultiheadAttention."""
import math

import torch
from torch import nn

from golden import Golden
from modules import parameters, with_gradients

B, H, D_K, D_V = 2, 3, 4, 5


def dot_product_attention(q, k, v, keep, bias):
    """softmax(q kᵀ / √d_k + bias) v over the kept keys; a query that may see no key has weights 0."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]) + bias
    weights = torch.softmax(scores.masked_fill(~keep, -torch.inf), -1).nan_to_num(0.0)
    return weights @ v, weights


def causal(length):
    return torch.ones(length, length).tril().bool()


def padding(lengths, size):
    """[B, 1, 1, S]: sequence b keeps its first lengths[b] positions."""
    return (torch.arange(size) < torch.tensor(lengths)[:, None])[:, None, None, :]


def attention():
    file = Golden("attention")
    r = file.random
    everything = torch.ones(1, 1).bool()
    one_row_hidden = padding([6, 3], 6).repeat(1, 1, 4, 1)
    one_row_hidden[1, 0, 2] = False

    def case(name, meaning, lq, lk, keep=None, bias=None, weights_too=False, batch=B, heads=H,
             scale=1.0):
        q, k, v = (r.normal(batch, heads, n, d) for n, d in ((lq, D_K), (lk, D_K), (lk, D_V)))
        q = q * scale
        for x in (q, k, v):
            x.requires_grad_()
        shift = torch.zeros(()) if bias is None else bias.requires_grad_()
        y, weights = dot_product_attention(q, k, v, everything if keep is None else keep, shift)
        tensors = dict(q=q, k=k, v=v, y=y, g=r.normal(*y.shape))
        total = (y * tensors["g"]).sum()
        if lk < 32:
            tensors["weights"] = weights
        if weights_too:
            tensors["g_weights"] = r.normal(*weights.shape)
            total = total + (weights * tensors["g_weights"]).sum()
        total.backward()
        tensors.update({"q.grad": q.grad, "k.grad": k.grad, "v.grad": v.grad})
        if keep is not None:
            tensors["keep"] = keep
        if bias is not None:
            tensors.update({"bias": bias, "bias.grad": bias.grad})
        file.record(name, meaning, tensors)

    case("none", "no mask", 4, 6)
    case("weights", "no mask; the weights carry a cotangent too: gradients of Σ y∘g + Σ weights∘g_weights", 4, 6,
         weights_too=True)
    case("causal", "query t sees keys ≤ t", 5, 5, causal(5))
    case("padding", "the last keys of batch entry 1 hidden", 4, 6, padding([6, 3], 6))
    case("causal_padding", "both", 5, 5, causal(5) & padding([3, 5], 5))
    case("bias", "a number added to each score", 4, 6, bias=r.normal(H, 4, 6))
    case("bias_causal_padding", "all three", 5, 5, causal(5) & padding([5, 2], 5), r.normal(H, 5, 5))
    case("row_hidden", "as padding, and query 2 of batch entry 1 sees no key: its weights, output and gradient are 0", 4, 6,
         one_row_hidden)
    case("batch_hidden", "batch entry 1 sees no key at all: everything of it is 0", 4, 6, padding([4, 0], 6))
    case("saturated", "no mask, q 64 times as large: weights near 0 and 1", 4, 6, scale=64.0)
    case("long", "more keys than a tile holds, padding; no weights stored", 67, 131, padding([131, 70], 131), heads=1)
    case("long_causal", "query t sees keys ≤ t; no weights stored", 131, 131, causal(131), batch=1, heads=1)
    return file


def mha():
    file = Golden("mha")
    r = file.random

    def case(name, meaning, lq, lk, kdim=None, vdim=None, is_causal=False, lengths=None):
        module = nn.MultiheadAttention(8, 2, kdim=kdim, vdim=vdim, batch_first=True)
        r.fill(module)
        inputs = dict(query=r.normal(B, lq, 8, scale=2))
        if kdim:
            inputs.update(key=r.normal(B, lk, kdim, scale=2), value=r.normal(B, lk, vdim, scale=2))
        for x in inputs.values():
            x.requires_grad_()
        query = inputs["query"]
        masks = {}
        if is_causal:
            masks["attn_mask"] = ~causal(lq)  # PyTorch's masks: True = hide
        if lengths:
            keep = padding(lengths, lk)
            masks["key_padding_mask"] = ~keep[:, 0, 0]
        y, weights = module(query, inputs.get("key", query), inputs.get("value", query), need_weights=True,
                            average_attn_weights=False, **masks)
        g = r.normal(*y.shape)
        y.backward(g)
        tensors = {("x" if n == "query" and not kdim else n): x for n, x in inputs.items()}
        tensors.update({f"{n}.grad": x.grad for n, x in tensors.items()})
        tensors.update(y=y, g=g, weights=weights)
        if lengths:
            tensors["keep"] = keep
        file.record(name, meaning, tensors, with_gradients(parameters(module)))

    case("self", "self-attention of x, no mask", 5, 5)
    case("self_causal", "query t sees keys ≤ t", 5, 5, is_causal=True)
    case("self_padding", "the last keys of batch entry 0 hidden", 5, 5, lengths=[3, 5])
    case("self_causal_padding", "both", 5, 5, is_causal=True, lengths=[5, 2])
    case("cross", "keys of width 6, values of width 10, other length", 4, 6, kdim=6, vdim=10)
    case("cross_padding", "the same with the last keys of batch entry 1 hidden", 4, 6, kdim=6, vdim=10, lengths=[6, 4])
    return file
