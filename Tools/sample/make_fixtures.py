"""What PyTorch says of the sample: terms of its six scenes, and drawn pictures. Written for the tests.

    python Tools/sample/make_fixtures.py Graphs/sample Tests/Fixtures/sample

terms.safetensors  for each item of images/captions.jsonl `ID.error` [texts + 1, timesteps], the empty caption
                   last, and `ID.attention` [texts, timesteps, layers] (log-sum-exp over all positions)
cases.json         timesteps, seed and layers of the terms; the settings of the pictures
SAMPLER.png        a picture drawn by diffusers
"""

import argparse
import json
import pathlib

import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionPipeline
from safetensors.torch import save_file

import evaluate

TIMESTEPS, SEED = [100, 300, 500, 700, 900], 0
SAMPLERS = {"euler": EulerDiscreteScheduler, "ddim": DDIMScheduler}
DRAWN = {"text": "a yellow bag to the left of blue trousers", "steps": 12, "guidance": 3.0, "seed": 5}


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("sample", type=pathlib.Path)
  parser.add_argument("out", type=pathlib.Path)
  options = parser.parse_args()
  options.out.mkdir(parents=True, exist_ok=True)
  checkpoint, scenes = options.sample / "checkpoint", options.sample / "images"

  judge = evaluate.Judge(checkpoint)
  torch.manual_seed(SEED)
  noise = torch.randn(len(TIMESTEPS), 4, judge.unet.config.sample_size, judge.unet.config.sample_size)
  variant, tensors = ("logsumexp", "all"), {}
  for line in (scenes / "captions.jsonl").read_text().splitlines():
    item = json.loads(line)
    pixels = evaluate.picture(scenes, item["images"][0], 64)[None]
    error, attention, _, layers = judge.terms(pixels, item["texts"], TIMESTEPS, noise, [variant])
    tensors[f"{item['id']}.error"] = error[0].float().contiguous()
    tensors[f"{item['id']}.attention"] = attention[variant][0].float().contiguous()
  save_file(tensors, options.out / "terms.safetensors")

  pipe = StableDiffusionPipeline.from_pretrained(checkpoint, torch_dtype=torch.float32)
  pipe.set_progress_bar_config(disable=True)
  for name, kind in SAMPLERS.items():
    pipe.scheduler = kind.from_config(pipe.scheduler.config)
    picture = pipe(
      DRAWN["text"], num_inference_steps=DRAWN["steps"], guidance_scale=DRAWN["guidance"],
      generator=torch.Generator().manual_seed(DRAWN["seed"])).images[0]
    picture.save(options.out / f"{name}.png", optimize=True)
  (options.out / "cases.json").write_text(json.dumps(
    {"timesteps": TIMESTEPS, "seed": SEED, "layers": layers, "drawn": DRAWN}, indent=1) + "\n")


if __name__ == "__main__":
  main()
