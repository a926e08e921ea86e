"""Convolutions, pooling and batch norm."""
import torch
import torch.nn.functional as F
from torch import nn

from golden import Golden

# The options of each convolution: (channels in, out, kernel, the rest as PyTorch names it).
CONV1D = {"plain": (3, 4, 3, {}),
          "kernel1": (3, 5, 1, {}),
          "stride": (2, 3, 3, dict(stride=2)),
          "padding": (2, 3, 4, dict(padding=2)),
          "dilation": (2, 3, 3, dict(dilation=3)),
          "groups": (4, 6, 3, dict(groups=2)),
          "depthwise": (4, 4, 3, dict(groups=4, padding=1)),
          "all": (4, 6, 3, dict(stride=2, padding=3, dilation=2, groups=2))}
CONV2D = {"plain": (3, 4, (3, 3), {}),
          "kernel1": (3, 5, (1, 1), {}),
          "oblong": (2, 3, (2, 3), {}),
          "stride": (2, 3, (3, 3), dict(stride=(2, 3))),
          "padding": (2, 3, (3, 2), dict(padding=(2, 1))),
          "dilation": (2, 3, (3, 2), dict(dilation=(2, 3))),
          "groups": (4, 6, (3, 3), dict(groups=2)),
          "depthwise": (4, 4, (3, 3), dict(groups=4, padding=1)),
          "patches": (3, 4, (4, 4), dict(stride=4)),
          "far_padding": (2, 3, (2, 2), dict(padding=4, stride=3)),
          "all": (4, 6, (3, 2), dict(stride=(2, 1), padding=(3, 2), dilation=(2, 3), groups=2))}
POOL2D = {"plain": dict(kernel_size=2),
          "overlapping": dict(kernel_size=3, stride=2),
          "padding": dict(kernel_size=3, stride=2, padding=1),
          "oblong": dict(kernel_size=(2, 3), stride=(1, 2), padding=(1, 0))}


def convolution():
    file = Golden("convolution")
    r = file.random
    for name, (channels, outputs, kernel, options) in CONV1D.items():
        file.function(f"conv1d_{name}", described(f"kernel {kernel}", options),
                      lambda x, weight, bias: F.conv1d(x.transpose(1, 2), weight.permute(2, 1, 0), bias, **options).transpose(1, 2),
                      x=r.normal(2, 11, channels), weight=r.normal(kernel, channels // options.get("groups", 1), outputs),
                      bias=r.normal(outputs))
    file.function("conv1d_causal", "kernel 2, dilation 3, three zeros before the sequence",
                  lambda x, weight, bias: F.conv1d(F.pad(x.transpose(1, 2), (3, 0)), weight.permute(2, 1, 0), bias,
                                                   dilation=3).transpose(1, 2),
                  x=r.normal(2, 7, 3), weight=r.normal(2, 3, 4), bias=r.normal(4))
    for name, (channels, outputs, kernel, options) in CONV2D.items():
        file.function(f"conv2d_{name}", described(f"kernel {kernel[0]}×{kernel[1]}", options),
                      lambda x, weight, bias: F.conv2d(x, weight, bias, **options), x=r.normal(2, channels, 8, 9),
                      weight=r.normal(outputs, channels // options.get("groups", 1), *kernel), bias=r.normal(outputs))
    for name, options in POOL2D.items():
        for kind, f in (("max", F.max_pool2d), ("avg", F.avg_pool2d)):
            file.function(f"{kind}_pool2d_{name}", described("", options), lambda x: f(x, **options), x=r.normal(2, 3, 7, 8))
    file.function("max_pool2d_ties", "whole numbers, many equal: the first largest takes the gradient",
                  lambda x: F.max_pool2d(x, 3, 2, 1), x=torch.round(r.normal(2, 3, 7, 8)))
    batch_norms(file)
    return file


def batch_norms(file):
    """One forward and backward; `.final` are the running estimates after it."""
    r = file.random
    for name, shape, options in (("2d", (3, 4, 3, 2), {}), ("1d", (5, 4), {}), ("1d_sequence", (2, 5, 4), {}),
                                 ("2d_options", (3, 4, 3, 2), dict(eps=1e-3, momentum=0.3))):
        for mode in ("train", "eval"):
            layer = nn.BatchNorm2d(4, **options) if len(shape) == 4 else nn.BatchNorm1d(4, **options)
            layer.weight.data, layer.bias.data = r.normal(4, scale=0.3, mean=1.0), r.normal(4)
            layer.running_mean, layer.running_var = r.normal(4), r.uniform(4, low=0.5, high=2.0)
            layer.train(mode == "train")
            before = {"running_mean": layer.running_mean.clone(), "running_var": layer.running_var.clone()}
            x = r.normal(*shape, scale=1.5, mean=0.5).requires_grad_()
            y = layer(x.transpose(1, 2)).transpose(1, 2) if len(shape) == 3 else layer(x)
            g = r.normal(*shape)
            y.backward(g)
            file.record(f"batch_norm_{name}_{mode}", described(mode, options), {
                "x": x, "x.grad": x.grad, "y": y, "g": g, **before,
                "running_mean.final": layer.running_mean, "running_var.final": layer.running_var,
                "weight": layer.weight, "weight.grad": layer.weight.grad, "bias": layer.bias, "bias.grad": layer.bias.grad})


def described(first, options):
    rest = [f"{name.replace('kernel_size', 'window')} {value}".replace("(", "").replace(", ", "×").replace(")", "")
            for name, value in options.items()]
    return ", ".join([first] * bool(first) + rest)
