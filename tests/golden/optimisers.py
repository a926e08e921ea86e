"""Ten steps of each optimiser on given gradients, and clipping by the global norm."""
import torch

from golden import Golden


def optim():
    file = Golden("optim")
    initial, gradients = file.random.normal(3, 4), file.random.normal(10, 3, 4)
    file.record("", "given to every case below: the parameter, and the gradient of each step",
                dict(initial=initial, gradients=gradients))

    def case(name, meaning, optimiser, **options):
        p = torch.nn.Parameter(initial.clone())
        steps = optimiser([p], **options)
        trace = []
        for g in gradients:
            p.grad = g.clone()
            steps.step()
            trace.append(p.detach().clone())
        file.record(name, meaning, dict(steps=torch.stack(trace)))

    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    case("sgd", "lr 0.1", sgd, lr=0.1)
    case("sgd_momentum", "lr 0.1, momentum 0.9", sgd, lr=0.1, momentum=0.9)
    case("sgd_nesterov", "lr 0.1, momentum 0.9, Nesterov", sgd, lr=0.1, momentum=0.9, nesterov=True)
    case("sgd_decay", "lr 0.1, weight decay 0.01", sgd, lr=0.1, weight_decay=0.01)
    case("sgd_all", "lr 0.1, momentum 0.9, Nesterov, weight decay 0.01", sgd, lr=0.1, momentum=0.9, nesterov=True,
         weight_decay=0.01)
    case("adam", "lr 0.01, betas 0.9 0.999, eps 1e-8", adam, lr=0.01)
    case("adam_decay", "the same, weight decay 0.1 added to the gradient (L2)", adam, lr=0.01, weight_decay=0.1)
    case("adamw", "lr 0.01, betas 0.9 0.99, eps 1e-8, decoupled weight decay 0.1", adamw, lr=0.01, betas=(0.9, 0.99),
         weight_decay=0.1)

    a, b = file.random.normal(3, 4), file.random.normal(5)
    for name, limit in (("clip", 1.0), ("clip_not", 100.0)):
        p, q = (torch.nn.Parameter(torch.zeros_like(t)) for t in (a, b))
        p.grad, q.grad = a.clone(), b.clone()
        norm = torch.nn.utils.clip_grad_norm_([p, q], limit)
        file.record(name, f"gradients a and b clipped together to norm {limit:g}", {
            "a": a, "b": b, "norm": norm, "a_clipped": p.grad, "b_clipped": q.grad})
    return file
