"""Encoder and decoder layers: post-norm (the original) and pre-norm, relu and exact gelu."""
from torch import nn

from attention import causal, padding
from golden import Golden
from modules import DECODER_LAYER, ENCODER_LAYER, parameters, with_gradients

B, T, S, WIDTH = 2, 5, 6, 8
SHAPE = dict(d_model=WIDTH, nhead=2, dim_feedforward=12, dropout=0.0, batch_first=True)


def variants():
    for norm, formula in (("post", "norm(x + f(x))"), ("pre", "x + f(norm(x))")):
        for activation in ("relu", "gelu"):
            yield (f"{norm}_{activation}", f"{norm}-norm: {formula}; {activation}",
                   dict(norm_first=norm == "pre", activation=activation, **SHAPE))


def encoder_layer():
    file = Golden("encoder_layer")
    r = file.random
    for name, meaning, options in variants():
        layer = nn.TransformerEncoderLayer(**options)
        r.fill(layer)
        x, keep = r.normal(B, T, WIDTH).requires_grad_(), padding([5, 3], T)
        y = layer(x, src_key_padding_mask=~keep[:, 0, 0])
        g = r.normal(*y.shape)
        y.backward(g)
        file.record(name, meaning, {"x": x, "x.grad": x.grad, "keep": keep, "y": y, "g": g},
                    with_gradients(parameters(layer, ENCODER_LAYER)))
    return file


def decoder_layer():
    file = Golden("decoder_layer")
    r = file.random
    for name, meaning, options in variants():
        layer = nn.TransformerDecoderLayer(**options)
        r.fill(layer)
        x, memory, keep = r.normal(B, T, WIDTH).requires_grad_(), r.normal(B, S, WIDTH).requires_grad_(), padding([4, 6], S)
        y = layer(x, memory, tgt_mask=~causal(T), memory_key_padding_mask=~keep[:, 0, 0])
        g = r.normal(*y.shape)
        y.backward(g)
        file.record(name, meaning, {"x": x, "x.grad": x.grad, "memory": memory, "memory.grad": memory.grad,
                                    "memory_keep": keep, "y": y, "g": g},
                    with_gradients(parameters(layer, DECODER_LAYER)))
    return file
