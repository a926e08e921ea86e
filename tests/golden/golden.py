"""What every group of cases shares: random inputs, the recording of a case, and the writer of .safetensors files."""
import json
import re
import struct
import zlib

import torch

DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}
SORT_ORDER = ["I64", "F64", "F32", "BOOL"]  # the reference writer's: its list of dtypes from the end


class Random:
    """Random inputs, seeded by a name. Every value is a multiple of 2^-10 below 2^14, so that it is exact in float32."""

    def __init__(self, name):
        self.generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))

    def normal(self, *shape, scale=1.0, mean=0.0):
        x = torch.randn(shape, generator=self.generator, dtype=torch.float64) * scale + mean
        return exact(x)

    def uniform(self, *shape, low=0.0, high=1.0):
        x = torch.rand(shape, generator=self.generator, dtype=torch.float64) * (high - low) + low
        return exact(x)

    def integers(self, high, *shape):
        return torch.randint(high, shape, generator=self.generator)

    def fill(self, module, scale=0.3):
        """Gives every parameter of a module a random value; gains of norms lie around 1."""
        for part in module.modules():
            for name, p in part.named_parameters(recurse=False):
                gain = isinstance(part, torch.nn.LayerNorm) and name == "weight"
                p.data = self.normal(*p.shape, scale=scale, mean=1.0 if gain else 0.0)


def exact(x):
    """Rounds to a multiple of 2^-10."""
    return (torch.round(x * 1024) / 1024).to(torch.get_default_dtype())


class Golden:
    """One file of reference numbers."""

    def __init__(self, name):
        self.name, self.random = name, Random(name)
        self.tensors, self.cases = {}, []  # name -> tensor; what the README says of each case

    def record(self, case, meaning, tensors, parameters=None):
        """Stores tensors, and a module's parameters, under `case.name`, or under bare names where case is empty."""
        groups = []
        for group in (tensors, parameters or {}):
            groups.append({name: t.detach().clone().contiguous() for name, t in group.items()})
            for name, t in groups[-1].items():
                path = f"{case}.{name}" if case else name
                assert path not in self.tensors and t.numel() > 0 and not t.isnan().any(), f"{self.name}: {path}"
                self.tensors[path] = t
        self.cases.append((case, meaning, *groups))

    def function(self, case, meaning, function, fixed=None, **inputs):
        """Stores the inputs, y = function(inputs, fixed) in the order given, a random cotangent g, and d(Σ y∘g)/dx for
        every floating input x; those in `fixed` (targets, class weights) are stored without a gradient."""
        leaves = {name: x.detach().clone().requires_grad_(x.is_floating_point()) for name, x in inputs.items()}
        fixed = fixed or {}
        y = function(*leaves.values(), *fixed.values())
        g = self.random.normal(*y.shape)
        y.backward(g)
        grads = {f"{name}.grad": x.grad for name, x in leaves.items() if x.is_floating_point()}
        self.record(case, meaning, {**leaves, **fixed, "y": y, "g": g, **grads})

    def write(self, folder):
        """Writes the file byte for byte as the safetensors library does: 8 bytes of header length (little-endian), a
        compact JSON header padded with spaces to a multiple of 8, then the data in the header's order without holes."""
        order = sorted(self.tensors, key=lambda name: (SORT_ORDER.index(DTYPES[self.tensors[name].dtype]), name))
        header, chunks, end = {"__metadata__": {"format": "pt"}}, [], 0
        for name in order:
            t = self.tensors[name]
            chunks.append(t.numpy().astype(t.numpy().dtype.newbyteorder("<")).tobytes())
            begin, end = end, end + len(chunks[-1])
            header[name] = {"dtype": DTYPES[t.dtype], "shape": list(t.shape), "data_offsets": [begin, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / f"{self.name}.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))

    def listing(self):
        """The README's table of this file: a row per case, and the parameters of each kind of module once."""
        lines = [f"### {self.name}.safetensors", "", "| case | meaning | tensors |", "|---|---|---|"]
        modules = {}
        for case, meaning, tensors, parameters in self.cases:
            title = f"`{case}`" if case else "no prefix"
            ending = ", parameters" if parameters else ""
            lines.append(f"| {title} | {meaning} | {', '.join(described(tensors))}{ending} |")
            if parameters:
                modules.setdefault(", ".join(described(parameters)), []).append(title)
        for description, titles in modules.items():
            lines += ["", f"Parameters ({', '.join(titles)}): {description}"]
        return "\n".join(lines) + "\n"


def described(tensors):
    """Name, shape and dtype of each tensor. What only follows another one (its gradient, its final value) is a mark at
    that one; numbered layers stand together under N."""
    found = []
    for name, t in tensors.items():
        base, _, ending = name.rpartition(".")
        if ending in ("grad", "final") and base in tensors:
            continue
        kind = {torch.int64: " I64", torch.bool: " BOOL"}.get(t.dtype, "")
        marks = (" ∂" if f"{name}.grad" in tensors else "") + (" +final" if f"{name}.final" in tensors else "")
        text = f"`{re.sub(r'[.][0-9]+[.]', '.N.', name)}` {str(list(t.shape)).replace(' ', '')}{kind}{marks}"
        if text not in found:
            found.append(text)
    return found
