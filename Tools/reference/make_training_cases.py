"""Writes what torch's AdamW, clip_grad_norm_ and transformers' schedules do with some gradients.

    python make_training_cases.py ../../Tests/Fixtures

makes training/optimizer.json: gradients of two parameters over ten steps, and for each setting the learning
rates, the gradients' norms and the parameters after steps 1, 2 and 10.
"""

import argparse
import json
import pathlib

import torch
from transformers import (
    get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup)

SCHEDULES = {
    "constant": lambda o, warmup, steps: get_constant_schedule_with_warmup(o, warmup),
    "linear": get_linear_schedule_with_warmup,
    "cosine": get_cosine_schedule_with_warmup,
}

CASES = [
    dict(lr=1e-3),
    dict(lr=0.1, weight_decay=0.3, clip=1.0),
    dict(lr=0.02, betas=[0.8, 0.95], eps=1e-3, schedule="cosine", warmup=3),
    dict(lr=0.05, betas=[0.4, 0.5], weight_decay=0.0, clip=2.5, schedule="linear", warmup=2),
    dict(lr=0.01, clip=100.0, warmup=4),
]
STEPS = 10
KEPT = [1, 2, 10]


def floats(tensor):
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


def run(case, start, gradients):
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in start.items()}
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=case["lr"], betas=tuple(case.get("betas", (0.9, 0.999))),
        eps=case.get("eps", 1e-8), weight_decay=case.get("weight_decay", 0.01), foreach=False)
    schedule = SCHEDULES[case.get("schedule", "constant")](optimizer, case.get("warmup", 0), STEPS)
    rates, norms, after = [], [], {}
    for step in range(STEPS):
        for name, parameter in parameters.items():
            parameter.grad = gradients[name][step].clone()
        limit = case.get("clip", float("inf"))
        norms.append(float(f"{torch.nn.utils.clip_grad_norm_(parameters.values(), limit).item():.9g}"))
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
        if step + 1 in KEPT:
            after[str(step + 1)] = {name: floats(p) for name, p in parameters.items()}
    return dict(case, rates=rates, norms=norms, after=after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out / "training"
    out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(1)
    shapes = {"a": [2, 3], "b": [5]}
    start = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    # Steps of different sizes, so that a limit clips some and not others.
    sizes = torch.tensor([3.0, 0.1, 1.0, 0.01, 5.0, 0.5, 1.0, 2.0, 0.2, 1.0])
    gradients = {
        name: torch.randn([STEPS] + shape, generator=generator) * sizes.view([-1] + [1] * len(shape))
        for name, shape in shapes.items()}
    result = dict(
        shapes=shapes, start={name: floats(value) for name, value in start.items()},
        gradients={name: [floats(row) for row in value] for name, value in gradients.items()},
        cases=[run(case, start, gradients) for case in CASES])
    (out / "optimizer.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
