#!/usr/bin/env bash
# Fuzzes one target: run.sh TARGET [SECONDS [RUNS]]
#
# TARGET is graph, run, safetensors, npy, png, jpeg, tokenizer or config. Inputs are collected in
# .build-fuzz/corpus/TARGET, begun from the seeds and the committed corpus; a crash, an input that takes more
# than a second or an allocation of more than 256 MB ends the run and is left in .build-fuzz/findings/TARGET.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?which target?}
seconds=${2:-600}
runs=${3:--1}
program=${PROGRAM:-$PWD/.build-fuzz/release/dsd-fuzz}
corpus=$PWD/.build-fuzz/corpus/$target
findings=$PWD/.build-fuzz/findings/$target
mkdir -p "$corpus" "$findings" .build-fuzz/seeds .build-fuzz/logs
PYTHONDONTWRITEBYTECODE=1 python3 Tools/fuzz/seeds.py .build-fuzz/seeds

case $target in
  png | jpeg) length=16384 ;;
  tokenizer | config) length=16384 ;;
  *) length=4096 ;;
esac
words=Tools/fuzz/dictionaries/${target/run/graph}.dict
committed=()
[ -d "Tests/Fixtures/fuzz/$target" ] && committed=("$PWD/Tests/Fixtures/fuzz/$target")

# Files for code that wants paths go to memory.
export TMPDIR=${TMPDIR:-/dev/shm}
# The quarantine and the redzones count as memory; they are kept small beside the limit. Stacks of allocations cost
# most of the time where strings are many; a finding shows them when it is run by itself.
export ASAN_OPTIONS=quarantine_size_mb=8:detect_leaks=0:malloc_context_size=1:allocator_may_return_null=0:abort_on_error=1
# Swift's own report of a crash waits for a terminal.
export SWIFT_BACKTRACE=enable=no
# Nor may a run whose shapes are known only on the way ask for more.
export DSD_MEMORY_LIMIT=64
export UBSAN_OPTIONS=print_stacktrace=1
exec nice -n 10 "$program" "$target" "$corpus" "${committed[@]}" ".build-fuzz/seeds/$target" "-dict=$words" \
  -max_total_time="$seconds" -runs="$runs" -timeout="${TIMEOUT:-1}" -report_slow_units=1 -malloc_limit_mb=256 -rss_limit_mb=1024 \
  -max_len=$length -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=1
