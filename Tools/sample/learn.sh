#!/bin/sh
# Learns from a few training scenes, measures on the benchmark's test scenes, and prints the card's table.
#
#   Tools/sample/learn.sh WORK [ITEMS.jsonl]
#
# Prompt tokens, LoRA and learned layer weights; 16 and 64 shots of each task; three seeds each; by the attention term
# alone and by both terms. ITEMS is another file to learn from, all of whose items are taken (SHOTS=all). Goes on where
# it was ended: what WORK holds is not computed again. SHOTS, TERMS, METHODS, SEEDS, STEPS and LIMIT (test items of each
# task) choose parts of it.
set -eu
work=${1:?usage: Tools/sample/learn.sh WORK [ITEMS.jsonl]}
cd "$(dirname "$0")/../.."
dsd=${DSD:-.build/release/dsd}
items=${2:-Graphs/sample/training/items.jsonl}
graph=Graphs/sample/graph.pb
mkdir -p "$work"

# measure NAME RESULTS [--adapter FILE | --head FILE | --score TERM]…
measure() {
  name=$1 results=$2
  shift 2
  [ -f "$work/$name.json" ] || "$dsd" eval "$graph" --items Graphs/sample/benchmark/items.jsonl \
    --limit "${LIMIT:-200}" --samples 4 --variants logsumexp --layers official --results "$work/$results.results.sqlite" \
    --json "$work/$name.json" "$@" > "$work/$name.txt"
}

# learn NAME METHOD TERM SEED OPTIONS…
learn() {
  name=$1 method=$2 term=$3 seed=$4
  shift 4
  file=$work/$name.safetensors option=--adapter results=$name
  case $method in
    head:*)
      # What a head takes of the model is the same for all of them.
      file=$work/$name.pb option=--head results=$term.heads
      set -- "$@" --lr 0.02 --cache "$work/$term.frozen.sqlite"
      ;;
    lora:*) set -- "$@" --lr 0.003 ;;
    prompt-tokens:3) set -- "$@" --lr 0.003 --init "a photo of" ;;
    prompt-tokens:*) set -- "$@" --lr 0.003 ;;
  esac
  [ -f "$file" ] || "$dsd" train "$graph" --items "$items" --method "$method" --score "$term" --run-seed "$seed" \
    --steps "${STEPS:-200}" --batch 8 --samples 4 --resume --log "$work/$name.jsonl" \
    --plot "$work/$name.png" -o "$file" "$@" > "$work/$name.train.txt"
  measure "$name" "$results" "$option" "$file" --score "$term"
}

measure zero-shot zero-shot
for term in ${TERMS:-attention both}; do
  for shots in ${SHOTS:-64 16}; do
    if [ "$shots" = all ]; then some=""; else some="--shots $shots"; fi
    for seed in ${SEEDS:-0 1 2}; do
      for method in ${METHODS:-lora:4 prompt-tokens:3 head:layer-weights}; do
        short=$(echo "$method" | sed 's/head:/head-/; s/:.*//')
        # shellcheck disable=SC2086
        learn "$term.$short.$shots.$seed" "$method" "$term" "$seed" $some
      done
    done
  done
done
python3 Tools/sample/learn_table.py "$work"
