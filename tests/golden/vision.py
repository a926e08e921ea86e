"""Attention over images and BERT's encoder: self-attention between pixels, ViT, BERT."""
import torch
import torch.nn.functional as F
from torch import nn

from attention import padding
from golden import Golden
from modules import ENCODER_LAYER, parameters, with_gradients


def encoder_layers(width, count, norm_first):
    return nn.ModuleList(nn.TransformerEncoderLayer(width, 2, 12, dropout=0.0, activation="gelu", batch_first=True,
                                                    norm_first=norm_first) for _ in range(count))


def named(**parts):
    """The parameters of several modules, each under its own name."""
    found = {}
    for name, part in parts.items():
        found.update(parameters(part, ENCODER_LAYER, prefix=name.replace("__", ".")))
    return found


def alone(**tensors):
    """Parameters that belong to no module of PyTorch's."""
    return {name.replace("__", "."): (p, lambda t: t) for name, p in tensors.items()}


def vision():
    file = Golden("vision")
    self_attention_2d(file)
    vit(file, "cls")
    vit(file, "mean")
    bert(file)
    return file


def self_attention_2d(file):
    r = file.random
    query, key, value = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(4, 4)
    for part in (query, key, value):
        r.fill(part, scale=0.7)
    gamma, x = r.normal(1).requires_grad_(), r.normal(2, 4, 3, 5).requires_grad_()
    pixels = x.flatten(2).transpose(1, 2)
    weights = (query(pixels) @ key(pixels).transpose(1, 2) / 3**0.5).softmax(-1)
    y = x + gamma * (weights @ value(pixels)).transpose(1, 2).reshape(x.shape)
    g = r.normal(*y.shape)
    y.backward(g)
    file.record("self_attention_2d", "x + γ attention(x) between the pixels, scores divided by √3",
                {"x": x, "x.grad": x.grad, "y": y, "g": g, "weights": weights[:, None]},
                with_gradients({**named(query=query, key=key, value=value), **alone(gamma=gamma)}))


def vit(file, pooling):
    r = file.random
    width, patch = 8, 2
    convolution, layers = nn.Conv2d(3, width, patch, stride=patch), encoder_layers(width, 2, norm_first=True)
    norm, head = nn.LayerNorm(width), nn.Linear(width, 5)
    for part in (convolution, layers, norm, head):
        r.fill(part)
    images, labels = r.normal(3, 3, 4, 6), r.integers(5, 3)
    count = 6 + (pooling == "cls")
    cls, positions = r.normal(1, 1, width).requires_grad_(), r.normal(count, width).requires_grad_()
    x = convolution(images).flatten(2).transpose(1, 2)
    if pooling == "cls":
        x = torch.cat([cls.expand(3, 1, width), x], 1)
    x = x + positions
    for layer in layers:
        x = layer(x)
    x = norm(x)
    logits = head(x[:, 0] if pooling == "cls" else x.mean(1))
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    flat = {"patch_embedding.weight": (convolution.weight, lambda p: p.flatten(1).t()),
            "patch_embedding.bias": (convolution.bias, lambda p: p)}
    token = alone(cls_token=cls) if pooling == "cls" else {}
    file.record(f"vit_{pooling}", f"patches by a strided convolution, pre-norm, exact gelu, pooling: {pooling}",
                {"images": images, "labels": labels, "logits": logits, "loss": loss},
                with_gradients({**flat, **token, **alone(position_embedding__weight=positions), **named(encoder__layers=layers),
                                **named(encoder__norm=norm, head=head)}))


def bert(file):
    r = file.random
    width, words, batch, length = 8, 11, 3, 6
    token, position, segment = nn.Embedding(words, width), nn.Embedding(7, width), nn.Embedding(2, width)
    norm, layers = nn.LayerNorm(width), encoder_layers(width, 2, norm_first=False)
    transform, masked_norm, bias = nn.Linear(width, width), nn.LayerNorm(width), r.normal(words).requires_grad_()
    pooler, head = nn.Linear(width, width), nn.Linear(width, 4)
    body = dict(token_embedding=token, position_embedding=position, segment_embedding=segment, norm=norm, layers=layers)
    for part in (*body.values(), transform, masked_norm, pooler, head):
        r.fill(part)
    tokens, segments, keep = r.integers(words, batch, length), r.integers(2, batch, length), padding([6, 4, 5], length)
    targets = torch.where(torch.rand(batch, length, generator=r.generator) < 0.4, r.integers(words, batch, length), -100)
    labels = r.integers(4, batch)

    def states():
        x = norm(token(tokens) + position.weight[:length] + segment(segments))
        for layer in layers:
            x = layer(x, src_key_padding_mask=~keep[:, 0, 0])
        return x

    def record(case, meaning, logits, loss, parts, **others):
        for p in (*nn.ModuleList(list(body.values()) + list(parts.values())).parameters(), bias):
            p.grad = None
        loss.backward()
        inside = {f"bert__{name}": part for name, part in body.items()}
        file.record(case, meaning, {"tokens": tokens, "segments": segments, "keep": keep[:, 0, 0], "logits": logits,
                                    "loss": loss, **others},
                    with_gradients({**named(**inside), **named(**parts), **(alone(bias=bias) if bias.grad is not None else {})}))

    logits = masked_norm(F.gelu(transform(states()))) @ token.weight.t() + bias
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    record("bert_masked", "post-norm, exact gelu; the loss is that of the places whose target is not −100", logits, loss,
           dict(transform=transform, norm=masked_norm), targets=targets)
    logits = head(torch.tanh(pooler(states()[:, 0])))
    record("bert_classifier", "the same body; tanh pooler of the first token", logits, F.cross_entropy(logits, labels),
           dict(pooler=pooler, head=head), labels=labels)
