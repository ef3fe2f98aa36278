#!/bin/sh
# Learns from a few training scenes, measures on the benchmark's test scenes, and writes the card's table.
#
#   Tools/sample/learn.sh WORK [ITEMS.jsonl]
#
# Prompt tokens, LoRA and learned layer weights; 16 and 64 shots of each task; three seeds each. ITEMS is another file
# to learn from, all of whose items are taken instead of shots. Goes on where it was ended: what WORK holds is not
# computed again.
set -eu
work=${1:?usage: Tools/sample/learn.sh WORK [ITEMS.jsonl]}
cd "$(dirname "$0")/../.."
dsd=${DSD:-.build/release/dsd}
items=${2:-Graphs/sample/training/items.jsonl}
graph=Graphs/sample/graph.pb
tests=${LIMIT:-200}
steps=${STEPS:-200}
mkdir -p "$work"

# measure NAME [--adapter FILE | --head FILE]
measure() {
  name=$1
  shift
  "$dsd" eval "$graph" --items Graphs/sample/benchmark/items.jsonl --limit "$tests" --samples 4 \
    --variants logsumexp --layers official --results "$work/$name.results.jsonl" --json "$work/$name.json" "$@" \
    > "$work/$name.txt"
}

# learn NAME METHOD SEED OPTIONS…
learn() {
  name=$1 method=$2 seed=$3
  shift 3
  case $method in head:*) file=$work/$name.pb option=--head ;; *) file=$work/$name.safetensors option=--adapter ;; esac
  if [ ! -f "$file" ]; then
    "$dsd" train "$graph" --items "$items" --method "$method" --run-seed "$seed" --steps "$steps" --resume \
      --samples 4 --log "$work/$name.jsonl" --plot "$work/$name.png" -o "$file" "$@" > "$work/$name.train.txt"
  fi
  measure "$name" "$option" "$file"
}

measure zero-shot
for shots in ${SHOTS:-16 64}; do
  for seed in 0 1 2; do
    if [ "$shots" = all ]; then some=""; else some="--shots $shots"; fi
    for method in ${METHODS:-prompt-tokens:8 lora:4 head:layer-weights}; do
      short=$(echo "$method" | tr -d ':0123456789' | sed 's/head/head-/')
      # shellcheck disable=SC2086
      learn "$short-$shots-$seed" "$method" "$seed" $some ${OPTIONS:-}
    done
  done
done
python3 Tools/sample/learn_table.py "$work"
