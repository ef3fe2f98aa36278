"""Feeds for the models of check_models.py, made here: a picture of text, a tone with noise, bytes of a text.

Each function yields feeds. What is sent back are the outputs of the last one, from which states are taken.
"""

import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def page(width, height):
  """Lines of text on a page with a gradient, as RGB."""
  image = Image.new("RGB", (width, height), "white")
  pixels = np.asarray(image).astype(np.float32) * np.linspace(0.7, 1, width)[None, :, None]
  image = Image.fromarray(pixels.astype(np.uint8))
  draw = ImageDraw.Draw(image)
  font = ImageFont.load_default(size=max(height // 12, 16))
  for line in range(max(height // 80, 1)):
    draw.text((width // 20, 10 + 80 * line), f"Line {line + 1}: THE QUICK brown fox 0123456789", "black", font)
  return image


def planes(image):
  """float32 [1, 3, height, width] in −1…1."""
  return ((np.asarray(image).astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None].copy()


def detector():
  for width, height in [(320, 320), (640, 480)]:
    yield {"x": planes(page(width, height))}


def recogniser():
  for width in [320, 480]:
    yield {"x": planes(page(width, 48))}
  yield {"x": np.concatenate([planes(page(320, 48)), planes(page(320, 48).rotate(180))])}


def classifier():
  yield {"x": planes(page(192, 48))}
  yield {"x": np.concatenate([planes(page(192, 48)), planes(page(192, 48).rotate(180))])}


def orientation():
  pages = [page(224, 224).rotate(turn) for turn in [0, 90]]
  yield {"x": np.concatenate([planes(image) for image in pages])}


def marks():
  """0…255."""
  yield {"images": (planes(page(416, 416)) + 1) * 127.5}


def captcha():
  for width in [120, 200]:
    yield {"input1": planes(page(width, 64))[:, :1]}


def file_types():
  """The first and the last 1024 bytes of a file, 256 where there are none."""
  source = pathlib.Path(__file__).read_bytes()
  for content in [source, b"<html><body><p>Hello</p></body></html>", bytes(range(256)) * 9]:
    ids = np.full([1, 2048], 256, np.int32)
    start, end = content[:1024], content[-1024:]
    ids[0, : len(start)] = list(start)
    ids[0, 2048 - len(end) :] = list(end)
    yield {"bytes": ids}


def sound(rate, seconds):
  """A rising tone that comes and goes, with noise."""
  time = np.arange(int(rate * seconds)) / rate
  tone = np.sin(2 * np.pi * (150 + 200 * time) * time) * (np.sin(2 * np.pi * 3 * time) > 0)
  return (0.3 * tone + 0.02 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def chunks(rate):
  """Pieces of sound [1, samples], each with the end of the one before it."""
  size, context = (512, 64) if rate == 16000 else (256, 32)
  samples = np.concatenate([np.zeros(context, np.float32), sound(rate, 6 * size / rate)])
  for start in range(0, len(samples) - size - context + 1, size):
    yield samples[None, start : start + size + context]


def voice_at(rate):
  state = np.zeros([2, 1, 128], np.float32)
  for chunk in chunks(rate):
    state = (yield {"input": chunk, "state": state, "sr": np.array(rate)})["stateN"]


def voice_16k():
  yield from voice_at(16000)


def voice():
  yield from voice_at(16000)
  yield from voice_at(8000)


def voice_sequence():
  zeros = np.zeros([1, 1, 128], np.float32)
  yield {"input": np.concatenate(list(chunks(16000))), "h": zeros, "c": zeros}


def turn():
  """Log-mel features of Whisper's kind: smooth in time, most of them below zero."""
  generator = np.random.default_rng(0)
  for batch in [1, 2]:
    steps = generator.standard_normal([batch, 80, 800]).cumsum(axis=2) / 20
    yield {"input_features": np.clip(steps - 0.5, -1.5, 1.5).astype(np.float32)}
