#!/bin/sh
# Makes everything in Graphs/sample from what train.sh left in WORK: checkpoint, graph, benchmark, pictures, and the
# card's curve, contact sheet and table. Needs the built programs.
#
#   Tools/sample/make.sh WORK
set -eu
work=${1:?usage: Tools/sample/make.sh WORK}
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
dsd=${DSD:-.build/release/dsd}
sample=Graphs/sample
mkdir -p "$sample/card"
"$python" Tools/sample/export.py "$work" "$sample/checkpoint"
"$dsd" import "$sample/checkpoint" -o "$sample/graph.pb"
"$python" Tools/sample/make_benchmark.py "$sample"
"$python" Tools/sample/loss_curve.py "$work" "$sample/card/loss.png"
"$python" Tools/sample/check_samples.py "$sample/checkpoint" "$work" --sheet "$sample/card/samples.png" \
  | tee "$work/samples.txt"
Tools/sample/table.sh "$work/results.sqlite" "$sample/card/table.md"
"$python" Tools/sample/summary.py "$sample/card/table.md" > "$work/summary.md"
"$python" Tools/sample/make_fixtures.py "$sample" Tests/Fixtures/sample
"$python" Tools/sample/card.py "$sample/README.md" table="$work/summary.md" samples="$work/samples.txt"
