#!/usr/bin/env python3
"""Runs diffusers' Euler and DDIM schedulers with many settings, on a toy model.

    make_sampling_cases.py OUT

OUT/sampling/samplers.json   for each case the scheduler's configuration and number of steps, its timesteps,
                             sigmas (Euler), initial scale, and the latents at the end

The toy model's output is half of its input, plus 0.1. Both sides compute it in float32.
"""

import argparse
import json
import pathlib

import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler

CLASSES = {"euler": EulerDiscreteScheduler, "ddim": DDIMScheduler}
STABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
START = torch.tensor([-1.5, -0.7, -0.1, 0.02, 0.3, 0.9, 1.4, 2.6])


def cases():
  """(sampler, settings, steps)"""
  for name in CLASSES:
    for spacing in ("linspace", "leading", "trailing"):
      for prediction in ("epsilon", "v_prediction", "sample"):
        for steps in (1, 5, 28):
          yield name, STABLE | {"timestep_spacing": spacing, "prediction_type": prediction, "steps_offset": 1,
            "clip_sample": False, "set_alpha_to_one": False}, steps
      yield name, STABLE | {"timestep_spacing": spacing, "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True, "clip_sample": False}, 7
    yield name, {}, 10
    yield name, {"beta_schedule": "squaredcos_cap_v2", "clip_sample": False}, 10
    yield name, {"trained_betas": [0.01 + 0.002 * i for i in range(24)], "num_train_timesteps": 24, "clip_sample": False}, 5
    yield name, STABLE | {"num_train_timesteps": 100, "steps_offset": 3}, 9
    yield name, STABLE | {"num_train_timesteps": 1}, 1
  for prediction in ("epsilon", "v_prediction", "sample"):
    yield "ddim", STABLE | {"prediction_type": prediction, "clip_sample_range": 0.4}, 6
    yield "ddim", STABLE | {"prediction_type": prediction, "set_alpha_to_one": True, "clip_sample": False}, 6
    for more in ({"use_karras_sigmas": True}, {"use_exponential_sigmas": True}, {"final_sigmas_type": "sigma_min"}):
      yield "euler", STABLE | more | {"prediction_type": prediction}, 8
  for more in ({"use_karras_sigmas": True}, {"use_exponential_sigmas": True}):
    yield "euler", STABLE | more | {"sigma_min": 0.1, "sigma_max": 9.5, "timestep_spacing": "leading"}, 8
    yield "euler", STABLE | more, 1


def run(name, settings, steps):
  scheduler = CLASSES[name].from_config(settings)
  scheduler.set_timesteps(steps)
  latents = START * scheduler.init_noise_sigma
  for t in scheduler.timesteps:
    seen = scheduler.scale_model_input(latents, t)
    latents = scheduler.step(0.5 * seen + 0.1, t, latents, return_dict=False)[0]
  case = {"sampler": name, "config": settings, "steps": steps, "initial_scale": float(scheduler.init_noise_sigma),
    "timesteps": scheduler.timesteps.tolist(), "latents": latents.tolist()}
  if name == "euler":
    case["sigmas"] = scheduler.sigmas.tolist()
  return case


def short(value):
  """Floats with the nine digits that tell float32 apart."""
  if isinstance(value, float):
    return float(f"{value:.9g}")
  if isinstance(value, list):
    return [short(v) for v in value]
  return {k: short(v) for k, v in value.items()} if isinstance(value, dict) else value


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("out", type=pathlib.Path)
  out = parser.parse_args().out / "sampling"
  out.mkdir(parents=True, exist_ok=True)
  torch.set_num_threads(1)
  rows = [json.dumps(short(run(*case))) for case in cases()]
  (out / "samplers.json").write_text("[\n" + ",\n".join(rows) + "\n]\n", encoding="utf-8")
  print(f"{len(rows)} cases")


if __name__ == "__main__":
  main()
