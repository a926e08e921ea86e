"""Recurrent cells and layers: tanh, relu, GRU, LSTM; stacked, in both directions, of different lengths."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden import Golden

B, T, C, H = 3, 5, 4, 6
LENGTHS = [3, 5, 1]
KINDS = {
    "tanh": (nn.RNNCell, nn.RNN, dict(nonlinearity="tanh")),
    "relu": (nn.RNNCell, nn.RNN, dict(nonlinearity="relu")),
    "gru": (nn.GRUCell, nn.GRU, {}),
    "lstm": (nn.LSTMCell, nn.LSTM, {}),
}


def cell_parameters(module, suffix, prefix):
    """One cell's parameters and their gradients under fovea's names: matrices transposed, the two biases, which are only
    ever added, as one (so its gradient is that of either); but the GRU's b_hn, which the reset gate multiplies."""
    w_ih, w_hh, b_ih, b_hh = (getattr(module, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    bias = b_ih.data + b_hh.data
    found = {"input_weight": w_ih.data.t(), "input_weight.grad": w_ih.grad.t(),
             "hidden_weight": w_hh.data.t(), "hidden_weight.grad": w_hh.grad.t(), "bias.grad": b_ih.grad}
    if isinstance(module, (nn.GRUCell, nn.GRU)):
        bias[2 * H:] = b_ih.data[2 * H:]
        found.update({"reset_bias": b_hh.data[2 * H:], "reset_bias.grad": b_hh.grad[2 * H:]})
    return {prefix + name: t.contiguous() for name, t in {**found, "bias": bias}.items()}


def state_of(r, kind, *shape):
    return [r.normal(*shape).requires_grad_() for _ in range(2 if kind == "lstm" else 1)]


def given(state):
    return tuple(state) if len(state) == 2 else state[0]


def listed(state):
    return list(state) if isinstance(state, tuple) else [state]


def record(file, case, meaning, inputs, outputs, fixed, parameters):
    """Gradients are those of Σ over the outputs NAME of Σ NAME∘g_NAME."""
    cotangents = {f"g_{name}": file.random.normal(*y.shape) for name, y in outputs.items()}
    sum((y * g).sum() for y, g in zip(outputs.values(), cotangents.values())).backward()
    grads = {f"{name}.grad": x.grad for name, x in inputs.items()}
    file.record(case, meaning, {**inputs, **grads, **fixed, **outputs, **cotangents}, parameters())


def recurrent():
    file = Golden("recurrent")
    r = file.random
    for kind, (cell_type, layer_type, options) in KINDS.items():
        cell = cell_type(C, H, **options)
        r.fill(cell)
        x, start = r.normal(B, C).requires_grad_(), state_of(r, kind, B, H)
        end = listed(cell(x, given(start)))
        record(file, f"{kind}_cell", "one step", {"x": x, **dict(zip("hc", start))}, dict(zip(("h1", "c1"), end)), {},
               lambda: cell_parameters(cell, "", ""))

        for name, lengths, meaning in (("", None, "one layer"), ("_packed", LENGTHS, "the same with lengths")):
            layer = layer_type(C, H, batch_first=True, **options)
            r.fill(layer)
            run(file, kind + name, meaning, kind, layer, lengths)
        for name, lengths, meaning in (("_deep", None, "two layers, both directions, initial state"),
                                       ("_deep_packed", LENGTHS, "the same with lengths")):
            layer = layer_type(C, H, num_layers=2, bidirectional=True, batch_first=True, **options)
            r.fill(layer)
            run(file, kind + name, meaning, kind, layer, lengths, state_of(r, kind, 4, B, H))
    return file


def run(file, case, meaning, kind, layer, lengths, start=None):
    x = file.random.normal(B, T, C).requires_grad_()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False) if lengths else x
    y, end = layer(packed, given(start) if start else None)
    if lengths:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
    ends = dict(zip(("hn", "cn"), listed(end)))
    directions = 2 if layer.bidirectional else 1

    def parameters():
        found = {}
        for i in range(layer.num_layers * directions):
            suffix = f"_l{i // directions}" + ("_reverse" if i % directions else "")
            found.update(cell_parameters(layer, suffix, f"cells.{i}."))
        return found

    record(file, case, meaning, {"x": x, **dict(zip(("h0", "c0"), start or []))}, {"y": y, **ends},
           {"lengths": torch.tensor(lengths)} if lengths else {}, parameters)
