"""PyTorch's parameters under fovea's names and in fovea's layout: a linear layer computes x W + b with W [in, out]."""
from torch import nn

# PyTorch's names inside one layer -> fovea's.
ENCODER_LAYER = {"self_attn": "attention", "linear1": "feed_forward.expand", "linear2": "feed_forward.contract",
                 "norm1": "attention_norm", "norm2": "feed_forward_norm"}
DECODER_LAYER = {"self_attn": "self_attention", "multihead_attn": "cross_attention", "linear1": "feed_forward.expand",
                 "linear2": "feed_forward.contract", "norm1": "self_attention_norm", "norm2": "cross_attention_norm",
                 "norm3": "feed_forward_norm"}


def parameters(module, rename=None, prefix=""):
    """Path -> (PyTorch's parameter, the part of it and its layout as fovea has it: a function for values and gradients)."""
    found = {}
    for path, part in module.named_modules(prefix=prefix):
        path = ".".join((rename or {}).get(name, name) for name in path.split(".") if name)
        at = f"{path}." if path else ""
        if isinstance(part, nn.MultiheadAttention):
            found.update(attention_parameters(at, part))
        elif isinstance(part, nn.Linear) and not path.endswith("out_proj"):
            found.update(linear_parameters(at, part))
        elif isinstance(part, (nn.LayerNorm, nn.Embedding)):
            found.update({at + name: (p, same) for name, p in part.named_parameters()})
    return found


def linear_parameters(at, layer):
    found = {at + "weight": (layer.weight, transposed)}
    if layer.bias is not None:
        found[at + "bias"] = (layer.bias, same)
    return found


def attention_parameters(at, layer):
    """PyTorch stacks the three projections of self-attention in one matrix [3 d, d], and the biases always in one [3 d]."""
    found, d = {}, layer.embed_dim
    for i, name in enumerate(("query", "key", "value")):
        third = slice(i * d, (i + 1) * d)
        if layer.in_proj_weight is not None:
            found[f"{at}{name}.weight"] = (layer.in_proj_weight, lambda p, third=third: p[third].t())
        else:
            found[f"{at}{name}.weight"] = (getattr(layer, f"{name[0]}_proj_weight"), transposed)
        found[f"{at}{name}.bias"] = (layer.in_proj_bias, lambda p, third=third: p[third])
    found.update(linear_parameters(f"{at}output.", layer.out_proj))
    return found


def same(p):
    return p


def transposed(p):
    return p.t()


def with_gradients(found):
    """What to store of parameters: each under its path, its gradient under path.grad."""
    values = {path: view(p.data).clone() for path, (p, view) in found.items()}
    return {**values, **{f"{path}.grad": view(p.grad).clone() for path, (p, view) in found.items()}}
