#!/usr/bin/env python3
"""Opens an HTML page in headless Chromium, in light and in dark, and tells whether it is quiet.

    check_page.py report.html [--screenshots FOLDER] [--browser chromium]

Fails when the page writes to the console, or when the browser asks for anything but the page itself. Screenshots of the
whole page go to FOLDER as light.png and dark.png. Needs Debian's package chromium, and nothing else.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile


def visit(browser, page, dark, shot, height):
  """Console messages, and the addresses that were asked for."""
  with tempfile.TemporaryDirectory() as folder:
    log = pathlib.Path(folder, "net.json")
    command = [
      browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
      # The browser's own errands get nowhere.
      "--host-resolver-rules=MAP * ~NOTFOUND",
      f"--window-size=1280,{height}", "--enable-logging=stderr", "--v=0", f"--log-net-log={log}",
      f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--screenshot={shot}", page.resolve().as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    console = re.findall(r"CONSOLE.*", done.stderr)
    text = log.read_text()
    # A browser that is ended may leave the list open.
    try:
      events = json.loads(text)["events"]
    except json.JSONDecodeError:
      events = json.loads(text.rstrip().rstrip(",") + "]}")["events"]
    # What no origin has begun is the browser's own errand, or the visit itself.
    asked = {
      e["params"]["url"] for e in events
      if isinstance(e.get("params", {}).get("url"), str) and e["params"].get("initiator", "not an origin") != "not an origin"}
    return console, sorted(a for a in asked if not a.startswith("data:"))


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("page", type=pathlib.Path)
  parser.add_argument("--screenshots", type=pathlib.Path)
  parser.add_argument("--browser", default="chromium")
  parser.add_argument("--height", type=int, default=4000, help="of the window, in pixels")
  options = parser.parse_args()
  if not shutil.which(options.browser):
    sys.exit(f"{options.browser} is not installed")
  failed = False
  for name in "light", "dark":
    with tempfile.TemporaryDirectory() as folder:
      shot = pathlib.Path(folder, f"{name}.png")
      console, asked = visit(options.browser, options.page, name == "dark", shot, options.height)
      if not shot.exists():
        sys.exit("the browser made no screenshot")
      if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
        shutil.copy(shot, options.screenshots)
    outside = [a for a in asked if a != options.page.resolve().as_uri()]
    print(f"{name}: {len(console)} console messages, {len(outside)} requests outside the page")
    for line in console + outside:
      print(f"  {line}")
    failed = failed or bool(console or outside)
  sys.exit(failed)


if __name__ == "__main__":
  main()
