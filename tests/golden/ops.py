"""Single operations: value and gradient."""
import torch
import torch.nn.functional as F

from golden import Golden


def ops():
    file = Golden("ops")
    rows(file)
    elementwise(file)
    losses(file)
    products(file)
    reductions(file)
    indexing(file)
    return file


def saturated(r):
    """[5, 4] logits up to ±1e4: a winner by far, a near tie at each end, one loser, small values."""
    return r.normal(5, 4) + torch.tensor([[9990, -9990, 0, 0], [9990] * 4, [-9990] * 4, [0, 0, 0, -9990], [0] * 4])


def rows(file):
    r = file.random
    for name, f, formula in (("softmax", torch.softmax, "exp(x_i) / Σ_j exp(x_j)"),
                             ("log_softmax", torch.log_softmax, "x_i − log Σ_j exp(x_j)"),
                             ("logsumexp", torch.logsumexp, "log Σ_j exp(x_j)")):
        for axis in range(3):
            file.function(f"{name}_axis{axis}", f"{formula} along axis {axis}", lambda x: f(x, axis), x=r.normal(2, 3, 4))
        file.function(f"{name}_large", "last axis, logits up to ±1e4", lambda x: f(x, -1), x=saturated(r))
    hidden = torch.tensor([[0, 1, 0, 1], [1, 0, 1, 1], [0, 0, 0, 0]]).bool()
    file.function("softmax_minus_infinity", "last axis, some logits −∞ (x holds them)", lambda x: torch.softmax(x, -1),
                  x=r.normal(3, 4).masked_fill(hidden, -torch.inf))

    affine = dict(x=r.normal(2, 3, 8, mean=0.5), weight=r.normal(8, mean=1), bias=r.normal(8))
    file.function("layer_norm", "last axis, eps 1e-5", lambda x, weight, bias: F.layer_norm(x, (8,), weight, bias, 1e-5),
                  **affine)
    file.function("layer_norm_plain", "without weight and bias, eps 1e-5", lambda x: F.layer_norm(x, (8,), eps=1e-5),
                  x=r.normal(2, 3, 8))
    file.function("rms_norm", "x / √(mean(x²) + eps) ∘ weight, last axis, eps 1e-5",
                  lambda x, weight: x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5) * weight,
                  x=r.normal(2, 3, 8), weight=r.normal(8, mean=1))


def elementwise(file):
    r = file.random
    for name, meaning, f in (
            ("gelu", "exact: x Φ(x)", F.gelu),
            ("gelu_tanh", "x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))", lambda x: F.gelu(x, approximate="tanh")),
            ("relu", "max(x, 0)", F.relu),
            ("leaky_relu", "slope 0.01", F.leaky_relu),
            ("silu", "x σ(x)", F.silu),
            ("softplus", "log(1 + exp(x))", lambda x: torch.logaddexp(x, torch.zeros_like(x))),
            ("elu", "alpha 1: x or exp(x) − 1", F.elu),
            ("sigmoid", "1 / (1 + exp(−x))", torch.sigmoid),
            ("tanh", "", torch.tanh),
            ("erf", "", torch.erf),
            ("exp", "", torch.exp),
            ("expm1", "exp(x) − 1", torch.expm1),
            ("sin", "", torch.sin),
            ("cos", "", torch.cos),
            ("abs", "", torch.abs)):
        grid = torch.arange(-6, 6, 0.375).view(4, 8) + 0.0625  # an even grid over ±6 that misses 0, where kinks are
        file.function(name, meaning, f, x=grid)
    for name, meaning, f in (
            ("log", "", torch.log),
            ("log1p", "log(1 + x)", torch.log1p),
            ("sqrt", "", torch.sqrt),
            ("rsqrt", "1 / √x", torch.rsqrt),
            ("reciprocal", "1 / x", torch.reciprocal)):
        file.function(name, meaning, f, x=r.uniform(3, 5, low=0.125, high=4))
    a, b = r.normal(2, 1, 4), r.uniform(3, 1, low=0.5, high=2)
    file.function("mul_broadcast", "a ∘ b", torch.mul, a=a, b=b)
    file.function("div_broadcast", "a / b", torch.div, a=a, b=b)
    file.function("pow_broadcast", "a ^ b", torch.pow, a=a.abs() + 0.25, b=b)
    file.function("masked_fill", "value −1.5 where mask, gradient 0 there; mask broadcast",
                  lambda x, mask: x.masked_fill(mask, -1.5), x=r.normal(2, 3, 4), mask=r.integers(2, 3, 4).bool())
    file.function("where", "condition ? a : b, all three broadcast", lambda condition, a, b: torch.where(condition, a, b),
                  condition=r.integers(2, 3, 1).bool(), a=r.normal(2, 1, 4), b=r.normal(3, 4))


def losses(file):
    """All with reduction "mean" unless the case says otherwise."""
    r = file.random
    logits, target = r.normal(6, 5, scale=2), r.integers(5, 6)
    holes = target.clone()
    holes[1] = holes[4] = -100
    weight = r.uniform(5, low=0.25, high=2)
    plain, ignored, weighted = dict(target=target), dict(target=holes), dict(target=target, weight=weight)
    everything = dict(target=holes, weight=weight)
    entropy = F.cross_entropy
    file.function("cross_entropy", "mean of −log softmax(x)[target]", entropy, plain, x=logits)
    file.function("cross_entropy_large", "logits up to ±1e4", entropy, dict(target=target[:5] % 4), x=saturated(r))
    file.function("cross_entropy_ignore", "ignore_index −100; the mean is over the other rows", entropy, ignored, x=logits)
    file.function("cross_entropy_smooth", "label smoothing 0.1: (1 − ε) nll + ε/C Σ_c −log p_c",
                  lambda *a: entropy(*a, label_smoothing=0.1), plain, x=logits)
    file.function("cross_entropy_weight", "class weights; divided by Σ weight[target]", entropy, weighted, x=logits)
    file.function("cross_entropy_all", "ignore_index −100, smoothing 0.1 and class weights: Σ over kept rows of (1 − ε) "
                  "w[target] nll + ε/C Σ_c w_c (−log p_c), divided by Σ over kept rows of w[target]",
                  lambda *a: entropy(*a, label_smoothing=0.1), everything, x=logits)
    file.function("nll", "mean of −x[target]; x = log-probabilities", F.nll_loss, plain, x=logits.log_softmax(-1))
    file.function("nll_all", "class weights and ignore_index −100", F.nll_loss, everything, x=logits.log_softmax(-1))

    x, y = r.normal(3, 4), r.normal(3, 4)
    file.function("mse", "mean (x − target)²", F.mse_loss, dict(target=y), x=x)
    file.function("l1", "mean of abs(x − target)", F.l1_loss, dict(target=y), x=x)
    file.function("bce_with_logits", "mean of −t log σ(x) − (1 − t) log(1 − σ(x)); logits up to ±40",
                  F.binary_cross_entropy_with_logits, dict(target=r.uniform(3, 4)),
                  x=r.normal(3, 4, scale=3) + torch.tensor([[40.0], [0], [-40]]))
    file.function("kl_div", "Σ t (log t − x) / rows (batchmean); x = log-probabilities; one t is 0",
                  lambda x, target: F.kl_div(x, target, reduction="batchmean"),
                  dict(target=torch.tensor([[0.125, 0.5, 0.25, 0.125], [0.75, 0, 0.125, 0.125]])),
                  x=r.normal(2, 4).log_softmax(-1))


def products(file):
    r = file.random
    file.function("matmul", "", torch.matmul, a=r.normal(3, 4), b=r.normal(4, 5))
    file.function("matmul_batched", "both batch axes broadcast", torch.matmul, a=r.normal(2, 1, 3, 4),
                  b=r.normal(5, 4, 2))
    file.function("matmul_row", "a matrix times a vector", torch.matmul, a=r.normal(3, 4), b=r.normal(4))
    file.function("matmul_odd", "sizes that fill no tile", torch.matmul, a=r.normal(17, 13), b=r.normal(13, 19))
    for name, equation, shapes in (
            ("scores", "bhld,bhsd->bhls", ((2, 2, 3, 4), (2, 2, 5, 4))),
            ("implicit", "ij,jk", ((3, 4), (4, 2))),
            ("outer", "i,j->ij", ((3,), (4,))),
            ("transposed", "kji->ijk", ((2, 3, 4),)),
            ("diagonal", "bii->bi", ((2, 3, 3),)),
            ("trace", "ii", ((3, 3),)),
            ("ellipsis", "...ij,...kj->...ik", ((2, 1, 3, 4), (5, 2, 4))),
            ("sum", "bij->j", ((2, 3, 4),)),
            ("three", "bi,ij,bj->b", ((2, 3), (3, 4), (2, 4)))):
        operands = dict(zip("abc", (r.normal(*s) for s in shapes)))
        file.function(f"einsum_{name}", f"`{equation}`",
                      lambda *x: torch.einsum(equation, *x), **operands)
    file.function("unfold", "windows of 3, step 2, along axis 1; the window is the new last axis",
                  lambda x: x.unfold(1, 3, 2), x=r.normal(2, 8, 3))
    file.function("conv1d", "y[b,t,o] = Σ_ck x[b,t+k,c] weight[c,k,o]: unfold, then a product",
                  lambda x, weight: F.conv1d(x.transpose(1, 2), weight.permute(2, 0, 1)).transpose(1, 2),
                  x=r.normal(2, 7, 3), weight=r.normal(3, 4, 5))


def reductions(file):
    r = file.random
    x = r.normal(2, 3, 4)
    for axis in range(3):
        file.function(f"cumsum_axis{axis}", f"running sum along axis {axis}", lambda x: x.cumsum(axis), x=x)
    for name, f in (("var", torch.var), ("std", torch.std)):
        file.function(f"{name}_unbiased", "axis 1, divided by n − 1", lambda x: f(x, 1, unbiased=True), x=x)
        file.function(f"{name}_biased", "axis 1, divided by n", lambda x: f(x, 1, unbiased=False), x=x)
        file.function(f"{name}_all", "all axes, divided by n − 1", lambda x: f(x, (0, 1, 2), unbiased=True), x=x)
    file.function("norm", "√Σx² over all axes", torch.linalg.vector_norm, x=x)
    file.function("norm_axis1", "√Σx² along axis 1", lambda x: torch.linalg.vector_norm(x, dim=1), x=x)


def indexing(file):
    r = file.random
    file.function("embedding", "rows of weight; some taken twice, some never", F.embedding,
                  index=torch.tensor([[0, 3, 3], [1, 0, 3]]), weight=r.normal(5, 3))
    index = torch.tensor([[0, 2, 2, 1], [2, 2, 0, 1]])
    file.function("gather", "y[i,j] = x[index[i,j],j] (axis 0)", lambda x, index: x.gather(0, index),
                  x=r.normal(3, 4), index=index)
    file.function("gather_axis1", "y[i,j] = x[i,index[i,j]] (axis 1)", lambda x, index: x.gather(1, index),
                  x=r.normal(2, 3), index=index)
    file.function("scatter_add", "x, with y[index[i,j],j] += source[i,j] (axis 0)",
                  lambda x, index, source: x.scatter_add(0, index, source), x=r.normal(3, 4), index=index,
                  source=r.normal(2, 4))
