#!/usr/bin/env python3
"""Drives the page of `dsd serve` in headless Chromium, and its JSON, and tells whether they do what they should.

    check.py [--bin .build/release] [--graph Graphs/sample/graph.pb] [--screenshots FOLDER]

Starts servers of its own. Needs Debian's packages chromium and chromium-driver, and nothing but Python's own modules.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

CAPTIONS = ["a blue boot below a green sandal", "blue trousers below a green sandal"]
failures = []


def check(name, holds, detail=""):
  print(f"{'ok  ' if holds else 'FAIL'} {name}{': ' + str(detail) if detail != '' else ''}", flush=True)
  if not holds:
    failures.append(name)


def until(condition, seconds, what):
  """What `condition` gives once it is true."""
  end = time.time() + seconds
  while time.time() < end:
    if value := condition():
      return value
    time.sleep(0.02)
  raise TimeoutError(f"{what}: not within {seconds} s")


class Server:
  """A `dsd serve` on a port of its own choice, with the lines that it has logged and when."""

  def __init__(self, command):
    self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    address = self.process.stdout.readline().strip()
    if not address:
      raise RuntimeError(f"the server has not started: {self.process.stderr.read()}")
    self.address = address
    self.port = int(re.search(r":(\d+)/$", address).group(1))
    self.log = []
    threading.Thread(target=self.read, daemon=True).start()

  def read(self):
    for line in self.process.stderr:
      self.log.append((time.time(), line.strip()))

  def ask(self, path, body=None, headers={}):
    """Status and JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(
      "GET" if body is None else "POST", path, data, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text)

  def stop(self):
    self.process.terminate()
    self.process.wait()


class Browser:
  """A headless Chromium, by the WebDriver protocol."""

  ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

  def __init__(self, dark=False):
    with socket.socket() as probe:
      probe.bind(("127.0.0.1", 0))
      self.port = probe.getsockname()[1]
    self.driver = subprocess.Popen(
      ["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: self.answers(), 20, "chromedriver")
    arguments = [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--window-size=1280,1100",
      f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    capabilities = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
    try:
      self.session = "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
    except Exception:
      self.driver.kill()
      raise

  def answers(self):
    with contextlib.suppress(OSError):
      return self.call("GET", "/status")["ready"]

  session = ""

  def call(self, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
    connection.request(method, self.session + path, None if body is None else json.dumps(body))
    value = json.loads(connection.getresponse().read())["value"]
    connection.close()
    if isinstance(value, dict) and "error" in value:
      raise RuntimeError(f"{path}: {value['message']}")
    return value

  def open(self, address):
    self.call("POST", "/url", {"url": address})

  def find(self, selector):
    return [e[self.ELEMENT] for e in self.call("POST", "/elements", {"using": "css selector", "value": selector})]

  def click(self, selector):
    self.call("POST", f"/element/{self.find(selector)[0]}/click", {})

  def type(self, selector, text):
    self.call("POST", f"/element/{self.find(selector)[0]}/value", {"text": text})

  def run(self, script, *arguments):
    return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

  def hover(self, selector):
    origin = {self.ELEMENT: self.find(selector)[0]}
    move = {"type": "pointerMove", "duration": 50, "origin": origin, "x": 0, "y": 0}
    self.call("POST", "/actions", {"actions": [
      {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [move]}]})

  def console(self):
    return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

  def shot(self, folder, name):
    if folder:
      folder.mkdir(parents=True, exist_ok=True)
      (folder / f"{name}.png").write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

  def close(self):
    with contextlib.suppress(Exception):
      self.call("DELETE", "")
    self.driver.terminate()
    self.driver.wait()


def png(width, height):
  """A grey picture."""
  def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
  rows = zlib.compress((b"\0" + b"\x80" * width) * height, 9)
  return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def encoded(path):
  return {"name": path.name, "data": base64.b64encode(path.read_bytes()).decode()}


def reference(options, images, captions, *more):
  """What dsd-run says."""
  command = [str(options.bin / "dsd-run"), str(options.graph), "--hook", "attn-score", "--json", *more]
  for image in images:
    command += ["--image", str(image)]
  for caption in captions:
    command += ["--text", caption]
  return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def shown(browser):
  return [float(t) for t in browser.run("return [...document.querySelectorAll('.score')].map(n => n.textContent)")]


def near(browser, values):
  """Whether the page shows these values: it rounds to four digits, and what else it reads may change the seventh."""
  return max(abs(a - b) for a, b in zip(shown(browser), values, strict=True)) <= 0.6e-4


def score_on_page(browser, done=r"^\d+ × \d+ in"):
  browser.run("document.getElementById('status').textContent = ''")
  browser.click("#go")
  return until(
    lambda: re.search(done, browser.run("return document.getElementById('status').textContent")), 60, "the page's answer")


def check_page(options, server, browser, images, adapter):
  browser.open(server.address)
  until(lambda: browser.run("return document.title") == "graph.pb · dsd", 10, "the page")
  browser.type("#file", str(images[0].resolve()))
  until(lambda: len(browser.find("#thumbs img")) == 1, 10, "the upload")
  browser.run("document.getElementById('texts').value = arguments[0]", "\n".join(CAPTIONS))
  score_on_page(browser)
  expected = reference(options, images[:1], CAPTIONS)
  check("upload, two captions: the page shows dsd-run's scores",
    near(browser, expected["scores"][0]), f"{shown(browser)}")

  # Where words look.
  blank = """const heat = document.getElementById('heat'), copy = document.createElement('canvas');
    copy.width = heat.width; copy.height = heat.height;
    const context = copy.getContext('2d', { willReadFrequently: true });
    context.drawImage(heat, 0, 0);
    return [heat.dataset.word || '', context.getImageData(0, 0, copy.width, copy.height).data.some(v => v)];"""
  before = browser.run(blank)
  browser.hover(".pair:nth-child(1) .word:nth-child(2)")
  word = until(lambda: browser.run(blank)[0], 5, "the heat map")
  check("hovering a word shows its heat map", not before[1] and browser.run(blank)[1], f"“{word}”")
  browser.shot(options.screenshots, "hover")
  browser.hover("#graph")
  check("leaving it takes the map away", browser.run(blank) == ["", False])

  # What counts.
  slide = "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.dispatchEvent(new Event('input'))"
  plain = shown(browser)
  browser.run(slide, "stepTo", 0)
  first = [a + b for a, b in zip(*[[t[0] for t in expected["per_timestep"][k][0]] for k in ("attention", "bias")])]
  check("the slider of noise levels: the first one's scores", near(browser, first))
  browser.click("#reset")
  browser.run(slide, "layerTo", 2)
  layers = json.dumps(server.ask("/api/model")[1]["layers"][:3])
  coarse = reference(options, images[:1], CAPTIONS, "--layers", ",".join(json.loads(layers)))
  check("the slider of layers: dsd-run's scores with these layers",
    near(browser, coarse["scores"][0]), shown(browser))
  browser.click("#reset")
  check("reset: as it was scored", shown(browser) == plain)

  # An adapter.
  browser.click("#adapters input")
  score_on_page(browser)
  adapted = reference(options, images[:1], CAPTIONS, "--adapter", str(adapter))
  check("the adapter's scores", near(browser, adapted["scores"][0]) and shown(browser) != plain, shown(browser))
  browser.click("#adapters input")

  # Several images.
  browser.type("#file", "\n".join(str(i.resolve()) for i in images[1:3]))
  until(lambda: len(browser.find("#thumbs img")) == 3, 10, "the uploads")
  score_on_page(browser)
  cells = browser.run("return [...document.querySelectorAll('#matrix tr')].slice(1).map(r => [...r.querySelectorAll('td')].map(c => parseFloat(c.textContent)))")
  whole = reference(options, images[:3], CAPTIONS)
  check("several images as a matrix", max(abs(a - b) for x, y in zip(cells, whole["scores"], strict=True) for a, b in zip(x, y, strict=True)) <= 0.6e-3, cells)
  browser.hover(".pair:nth-child(2) .word:nth-child(3)")
  browser.shot(options.screenshots, "matrix")

  # Refusals.
  with tempfile.TemporaryDirectory() as folder:
    large = pathlib.Path(folder, "large.png")
    large.write_bytes(images[0].read_bytes() + bytes(33_000_000))
    browser.type("#file", str(large))
    told = until(lambda: browser.run("return document.querySelector('#status.error')?.textContent"), 10, "the refusal")
    check("a large file is refused by the page", "too large" in told and len(browser.find("#thumbs img")) == 3, told)
    wide = pathlib.Path(folder, "wide.png")
    wide.write_bytes(png(5000, 10))
    browser.type("#file", str(wide))
    until(lambda: len(browser.find("#thumbs img")) == 4, 10, "the upload")
    browser.click("#go")
    told = until(lambda: browser.run("return document.querySelector('#status.error')?.textContent"), 10, "the refusal")
    check("an image of too many pixels is refused by the server", "5000 × 10" in told, told)
    browser.run("document.querySelector('#thumbs figure:last-child button').click()")

  # Stop.
  browser.run("document.getElementById('texts').value = arguments[0]", "\n".join(f"a scene of number {i}" for i in range(40)))
  browser.run("const s = document.getElementById('samples'); s.value = 16; s.dispatchEvent(new Event('input'))")
  browser.click("#go")
  until(lambda: re.search(r"^\d+ of \d+ passes", browser.run("return document.getElementById('passes').textContent")), 20, "progress")
  browser.shot(options.screenshots, "progress")
  count = len(server.log)
  start = time.time()
  browser.click("#stop")
  when, line = until(lambda: next((l for l in server.log[count:] if "cancelled" in l[1]), None), 5, "the server's stop")
  check("Stop ends the computation within a second", when - start < 1, f"{when - start:.2f} s")
  expected_errors = [m for m in browser.console() if "400 (Bad Request)" not in m]
  check("nothing on the console but the refused image", not expected_errors, expected_errors or "")


def check_json(options, server, images):
  body = {"images": [encoded(i) for i in images[:2]], "texts": CAPTIONS, "samples": 3, "seed": 5}
  status, answer = server.ask("/api/score", body)
  expected = reference(options, images[:2], CAPTIONS, "--samples", "3", "--seed", "5")
  expected["images"] = answer["images"]
  check("JSON: the object of dsd-run --json, to the last bit", status == 200 and {k: answer[k] for k in expected} == expected)
  mixed = {**body, "score": "attention", "normalize": "empty-caption", "pooling": "max", "layers": "all", "timesteps": [100, 700]}
  del mixed["samples"]
  status, answer = server.ask("/api/score", mixed)
  expected = reference(options, images[:2], CAPTIONS, *"--score attention --normalize empty-caption --pooling max --layers all --timesteps 100,700 --seed 5".split())
  check("JSON: other options", status == 200 and answer["scores"] == expected["scores"])

  for name, wrong, reason in [
    ("no JSON", b"{", "the request is no JSON"), ("no images", {"texts": ["a"]}, "'images' is missing"),
    ("a misspelt option", {**body, "sample": 3}, "'sample' is not known"),
    ("no image", {**body, "images": [{"data": "AAAA"}]}, "images[0]: neither a PNG nor a JPEG image"),
    ("a wrong word", {**body, "pooling": "sum"}, "pooling: one of"),
    ("a noise level out of range", {**body, "samples": None, "timesteps": [1000]}, "timesteps: 1000 is out of range"),
    ("an adapter that is not there", {**body, "adapters": ["x"]}, "adapters: 'x'")]:
    status, answer = server.ask("/api/score", wrong)
    check(f"JSON: {name} is refused", status == 400 and reason in answer["error"], answer.get("error"))
  status, answer = server.ask("/api/score", b" " * 40_000_000)
  check("an oversized upload is refused politely", status == 413, answer["error"])
  status, answer = server.ask("/api/model", headers={"Origin": "http://elsewhere.example"})
  check("pages from elsewhere are refused", status == 403, answer["error"])
  for host in "elsewhere.example", "127.elsewhere.example", "localhost.elsewhere.example":
    status, answer = server.ask("/api/model", headers={"Host": host, "Origin": f"http://{host}"})
    check("names from elsewhere are refused", status == 403, answer["error"])
  for host in f"localhost:{server.port}", "127.0.0.2", f"[::1]:{server.port}":
    check(f"{host} is served", server.ask("/api/model", headers={"Host": host})[0] == 200)
  for head in "mean.pb", "layer-weights.pb":
    status, answer = server.ask("/api/score", {**body, "head": head})
    path = options.graph.parent.parent / "heads" / head
    expected = reference(options, images[:2], CAPTIONS, "--samples", "3", "--seed", "5", "--head", str(path))
    check(f"JSON: the head {head}", status == 200 and [answer["scores"], answer["head"]] == [expected["scores"], expected["head"]])
  many = {**body, "images": [encoded(images[0])] * 32, "texts": [CAPTIONS[0]] * 128}
  status, answer = server.ask("/api/score", {**many, "maps": True, "samples": 1})
  check("too many maps are refused", status == 400 and "maps" in answer["error"], answer["error"])

  # What HTTP leaves open: no body for HEAD, one in chunks, and after more than the server reads the end.
  connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
  connection.request("HEAD", "/")
  head = connection.getresponse()
  head.read()
  for path in "/api/model", "/nowhere":
    connection.request("HEAD", path)
    connection.getresponse().read()
  connection.request("POST", "/api/score", iter([json.dumps(body).encode()]), {"Content-Type": "application/json"}, encode_chunked=True)
  chunked = connection.getresponse()
  check("HEAD and a body in chunks, on one connection", head.status == 200 and "scores" in json.loads(chunked.read()))
  connection.close()
  hidden = f"GET /api/model HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
  connection = socket.create_connection(("127.0.0.1", server.port))
  connection.sendall(
    f"POST /api/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 999999999\r\n\r\n".encode() + hidden)
  told = b""
  with contextlib.suppress(ConnectionResetError):
    while part := connection.recv(65536):
      told += part
  check("what follows far too large a request is no request", told.startswith(b"HTTP/1.1 413") and told.count(b"HTTP/1.1") == 1)


def check_queue(options, server, images):
  """Ten at once, each of another size; the first is long enough for all to have come by then."""
  bodies = [
    {"images": [encoded(images[0])], "texts": [f"a scene of number {j}" for j in range(i + 1)], "samples": 100 if i == 0 else 2}
    for i in range(10)]
  count = len(server.log)
  with concurrent.futures.ThreadPoolExecutor(10) as pool:
    tasks = []
    for i in range(10):
      tasks.append(pool.submit(server.ask, "/api/score", bodies[i]))
      time.sleep(0.1)
    answers = [t.result() for t in tasks]
  alone = [server.ask("/api/score", b)[1]["scores"] for b in bodies]
  order = [l.split(":")[0] for _, l in server.log[count:count + 10]]
  check("ten requests at once are all answered, each with its own scores",
    [s for s, _ in answers] == [200] * 10 and [a["scores"] for _, a in answers] == alone)
  check("in the order in which they came", order == [f"1 × {i + 1}" for i in range(10)], ", ".join(order))


class Stream:
  """A request whose answer is read as it comes, and left when one likes."""

  def __init__(self, server, body, accept="application/x-ndjson"):
    data = json.dumps(body).encode()
    self.connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    self.connection.sendall(
      f"POST /api/score HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
      f"Accept: {accept}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    self.text = b""

  def read_until(self, condition):
    while not condition(self.text):
      part = self.connection.recv(65536)
      if not part:
        raise ConnectionError("the server has ended the answer")
      self.text += part

  def leave(self):
    self.connection.close()


def check_cancel(options, server, images):
  long = {"images": [encoded(images[0])], "texts": [f"a scene of number {i}" for i in range(100)], "samples": 100}

  def told(count, text, what):
    return until(lambda: next((l for l in server.log[count:] if text in l[1]), None), 10, what)

  for accept in "application/x-ndjson", "application/json":
    count = len(server.log)
    stream = Stream(server, long, accept)
    # The head and a few lines: it is being computed.
    stream.read_until(lambda text: text.count(b"\n") > 30)
    start = time.time()
    stream.leave()
    when, _ = told(count, "cancelled", "the server's stop")
    check(f"a client that goes stops its computation within a second ({accept})", when - start < 1, f"{when - start:.2f} s")
  # One that waits behind a long one, and goes: it never runs.
  count = len(server.log)
  first = Stream(server, long)
  first.read_until(lambda text: b"progress" in text)
  second = Stream(server, {**long, "texts": ["a boot"]})
  second.read_until(lambda text: b'{"queued":1}' in text)
  second.leave()
  told(count, "1 × 1: cancelled while it waited", "the waiting one's end")
  first.leave()
  told(count, "1 × 100: cancelled", "the first one's end")
  status, _ = server.ask("/api/score", {**long, "texts": CAPTIONS, "samples": 1})
  check("one that goes while it waits never runs", status == 200 and len(server.log) - count == 3)


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path(".build/release"))
  parser.add_argument("--graph", type=pathlib.Path, default=pathlib.Path("Graphs/sample/graph.pb"))
  parser.add_argument("--screenshots", type=pathlib.Path)
  options = parser.parse_args()
  for program in "chromium", "chromedriver":
    if not shutil.which(program):
      sys.exit(f"{program} is not installed")
  images = sorted((options.graph.parent / "images").glob("*.png"))
  with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
    adapter = pathlib.Path(folder, "tokens.safetensors")
    subprocess.run(
      [str(options.bin / "dsd"), "train", str(options.graph), "--items", str(options.graph.parent / "training/items.jsonl"),
       "--method", "lora:2", "--steps", "2", "--batch", "2", "--samples", "2", "--lr", "0.01", "-o", str(adapter)],
      check=True, stdout=subprocess.DEVNULL)
    server = Server([str(options.bin / "dsd"), "serve", str(options.graph), "--port", "0", "--adapter", str(adapter),
                     *(f"--head={options.graph.parent.parent / 'heads' / h}" for h in ("mean.pb", "layer-weights.pb"))])
    stack.callback(server.stop)
    check_json(options, server, images)
    check_queue(options, server, images)
    check_cancel(options, server, images)
    for dark in False, True:
      browser = Browser(dark)
      stack.callback(browser.close)
      if not dark:
        check_page(options, server, browser, images, adapter)
      else:
        browser.open(server.address)
        until(lambda: browser.run("return document.title") == "graph.pb · dsd", 10, "the page")
        browser.type("#file", "\n".join(str(i.resolve()) for i in images[:2]))
        until(lambda: len(browser.find("#thumbs img")) == 2, 10, "the uploads")
        browser.run("document.getElementById('texts').value = arguments[0]", "\n".join(CAPTIONS))
        score_on_page(browser)
        browser.hover(".pair:nth-child(1) .word:nth-child(3)")
        browser.shot(options.screenshots, "dark")
        check("the dark page's console is empty", not browser.console())
  print(f"{len(failures)} failed" if failures else "all passed")
  sys.exit(bool(failures))


if __name__ == "__main__":
  main()
