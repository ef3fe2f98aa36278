#!/bin/sh
# Scores a photograph against captions with the sample checkpoint: import, then score.
set -eu
cd "$(dirname "$0")/.."
bin=.build/release
sample=Graphs/sample
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r Tests/Fixtures/checkpoints/sd21base "$work/checkpoint"
"$bin/dsd" import "$work/checkpoint"
echo
"$bin/dsd-run" "$work/checkpoint/graph.pb" --hook attn-score \
  --image "$sample/astronaut.png" \
  --text "a portrait of an astronaut in an orange suit" \
  --text "a red car parked in front of a house" \
  --text "two dogs playing on a beach" \
  --samples 4
echo
echo "This checkpoint is small and random: the path is the real one, its scores mean nothing yet."
