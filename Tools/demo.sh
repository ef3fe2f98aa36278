#!/bin/sh
# The main job on the shipped sample: test photographs against captions that differ in a word or in word order,
# heat-maps of where each word looks, and a picture drawn by the same graph.
#
#   Tools/demo.sh [FOLDER]     what it writes goes into FOLDER (default: demo)
set -eu
cd "$(dirname "$0")/.."
mkdir -p "${1:-demo}"
out=$(cd "${1:-demo}" && pwd)
bin=$(pwd)/.build/release
cd Graphs/sample/images

echo "Which caption fits which picture of Graphs/sample/images?"
echo
"$bin/dsd-run" ../graph.pb --hook attn-score --hook "attn-map:out=$out,positions=content" \
  --image scene-1.png --image scene-4.png --image scene-6.png \
  --text "a blue boot below a green sandal" \
  --text "a green boot below a blue sandal" \
  --text "green trousers to the left of a blue dress" \
  --text "a red boot above a yellow t-shirt" \
  --normalize images --samples 8
echo
echo "The same graph draws \"a yellow bag to the left of blue trousers\":"
"$bin/dsd" generate ../graph.pb --text "a yellow bag to the left of blue trousers" --guidance 3 -o "$out/drawn.png"
echo
echo "Where each word of a caption looks: ${1:-demo}/image0-text0.png and the files beside it."
