"""Whole models: the encoder–decoder Transformer, and a GPT with ten steps of AdamW."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from attention import causal, padding
from golden import Golden
from modules import DECODER_LAYER, ENCODER_LAYER, parameters, with_gradients


def sinusoids(length, width):
    """[length, width]: sin(t / 10000^(2i/d)) at channel 2i, the cosine at 2i + 1 (Vaswani et al. 2017, section 3.5)."""
    angle = torch.arange(length)[:, None] / 10000.0 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angle.sin(), angle.cos()], -1).reshape(length, width)


def transformer():
    file = Golden("transformer")
    r = file.random
    width, source_words, target_words, source_length, target_length = 16, 9, 7, 6, 5
    source_embedding, target_embedding = nn.Embedding(source_words, width), nn.Embedding(target_words, width)
    core = nn.Transformer(width, 2, 2, 2, 32, dropout=0.0, activation="relu", batch_first=True)
    output = nn.Linear(width, target_words)
    for part in (source_embedding, target_embedding, core, output):
        r.fill(part)

    source, sentence = r.integers(source_words, 3, source_length), r.integers(target_words, 3, target_length + 1)
    target, labels = sentence[:, :-1], sentence[:, 1:]  # teacher forcing: sees the words before, names the next
    keep = padding([6, 4, 5], source_length)

    x = source_embedding(source) * math.sqrt(width) + sinusoids(source_length, width)
    y = target_embedding(target) * math.sqrt(width) + sinusoids(target_length, width)
    hidden = ~keep[:, 0, 0]
    memory = core.encoder(x, src_key_padding_mask=hidden)
    logits = output(core.decoder(y, memory, tgt_mask=~causal(target_length), memory_key_padding_mask=hidden))
    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    loss.backward()
    file.record("", "nn.Transformer: post-norm, relu, 2 + 2 layers, 2 heads", {
        "source": source, "source_keep": keep, "target": target, "labels": labels,
        "memory": memory, "logits": logits, "loss": loss,
    }, with_gradients({**parameters(source_embedding, prefix="source_embedding"),
                       **parameters(target_embedding, prefix="target_embedding"),
                       **parameters(core.encoder, ENCODER_LAYER, prefix="encoder"),
                       **parameters(core.decoder, DECODER_LAYER, prefix="decoder"),
                       **parameters(output, prefix="output")}))
    return file


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x):  # [B, T, C]
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])  # [B, H, T, T]
        weights = scores.masked_fill(~causal(x.shape[1]), -torch.inf).softmax(-1)
        return self.output((weights @ v).transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.expand, self.contract = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        return self.contract(F.gelu(self.expand(x)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), SelfAttention(width, heads)
        self.feed_forward_norm, self.feed_forward = nn.LayerNorm(width), FeedForward(width)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width, tied):
        super().__init__()
        self.token_embedding, self.position_embedding = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = None if tied else nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.token_embedding(tokens) + self.position_embedding.weight[:tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x) if self.head else x @ self.token_embedding.weight.t()


def gpt_and_batch(file, tied):
    model, r = GPT(vocabulary=11, context=8, layers=2, heads=2, width=16, tied=tied), file.random
    r.fill(model)
    text = r.integers(11, 3, 9)
    return model, text[:, :-1], text[:, 1:]


def loss_of(model, tokens, targets):
    logits = model(tokens)
    return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def gpt():
    file = Golden("gpt")
    model, tokens, targets = gpt_and_batch(file, tied=False)
    logits, loss = loss_of(model, tokens, targets)
    loss.backward()
    start = with_gradients(parameters(model))

    matrices, vectors = ([p for p in model.parameters() if (p.dim() >= 2) == many] for many in (True, False))
    adamw = torch.optim.AdamW([dict(params=matrices, weight_decay=0.1), dict(params=vectors, weight_decay=0.0)],
                              lr=1e-2, betas=(0.9, 0.99), eps=1e-8)
    losses, norms = [], []
    for _ in range(10):
        adamw.zero_grad()
        _, step_loss = loss_of(model, tokens, targets)
        step_loss.backward()
        losses.append(step_loss.detach())
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        adamw.step()
    final = {f"{path}.final": view(p.data) for path, (p, view) in parameters(model).items()}
    file.record("", "pre-norm, exact gelu, 2 layers, 2 heads, head not tied",
                dict(tokens=tokens, targets=targets, logits=logits, loss=loss, step_loss=torch.stack(losses),
                     step_norm=torch.stack(norms)), {**start, **final})
    return file


def gpt_tied():
    file = Golden("gpt_tied")
    model, tokens, targets = gpt_and_batch(file, tied=True)
    logits, loss = loss_of(model, tokens, targets)
    loss.backward()
    file.record("", "the same with the head tied: logits = x · token_embedding.weightᵀ, whose gradient sums both uses",
                dict(tokens=tokens, targets=targets, logits=logits, loss=loss), with_gradients(parameters(model)))
    return file
