#!/usr/bin/env bash
# Brings the inputs that fuzzing has collected down to a small corpus: minimise.sh TARGET
#
# Tests/Fixtures/fuzz/TARGET is written anew but for its crash-* files, which are regressions and stay. Of the
# inputs that together reach what all reach, about FILES (100) are taken, of all sizes, the smallest first, until
# BYTES (18000) are full.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?which target?}
program=${PROGRAM:-$PWD/.build-fuzz/release/dsd-fuzz}
corpus=Tests/Fixtures/fuzz/$target
merged=$(mktemp -d)
trap 'rm -rf "$merged"' EXIT
export TMPDIR=${TMPDIR:-/dev/shm}
export ASAN_OPTIONS=quarantine_size_mb=8:detect_leaks=0 SWIFT_BACKTRACE=enable=no DSD_MEMORY_LIMIT=64
mkdir -p "$corpus"
nice -n 10 "$program" "$target" -set_cover_merge=1 -timeout=10 -rss_limit_mb=4096 "$merged" ".build-fuzz/corpus/$target" \
  ".build-fuzz/seeds/$target" > ".build-fuzz/logs/merge-$target.log" 2>&1
find "$corpus" -type f ! -name 'crash-*' -delete
bytes=0
limit=${BYTES:-18000}
files=${FILES:-100}
step=$((($(find "$merged" -type f | wc -l) + files - 1) / files))
find "$merged" -type f -printf '%s %p\n' | sort -n | awk -v step="$step" 'NR % step == 0' |
  while read -r size file; do
    bytes=$((bytes + size))
    [ "$bytes" -le "$limit" ] || break
    cp "$file" "$corpus/$(basename "$file" | cut -c1-12)"
  done
echo "$target: $(find "$corpus" -type f | wc -l) files, $(cat "$corpus"/* | wc -c) bytes of $(find "$merged" -type f | wc -l) merged"
