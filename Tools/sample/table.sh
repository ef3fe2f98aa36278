#!/bin/sh
# The card's table of zero-shot accuracies. Goes on where RESULTS stands.
#
#   Tools/sample/table.sh RESULTS.sqlite TABLE.md
set -eu
results=${1:?usage: Tools/sample/table.sh RESULTS.sqlite TABLE.md}
table=${2:?usage: Tools/sample/table.sh RESULTS.sqlite TABLE.md}
cd "$(dirname "$0")/../.."
exec "${DSD:-.build/release/dsd}" eval Graphs/sample/graph.pb --dataset pairs \
  --items Graphs/sample/benchmark/items.jsonl --samples 8 \
  --variants logsumexp,max,mean,cosine,logsumexp@content/noise,logsumexp@content/images \
  --layers official --layers all --layers "*up_blocks.1.attentions.0*" --results "$results" --markdown "$table"
