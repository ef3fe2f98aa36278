#!/usr/bin/env bash
# Builds .build-fuzz/release/dsd-fuzz: every fuzz target in one libFuzzer program, with the address sanitizer
# everywhere and the undefined-behaviour sanitizer in C.
set -euo pipefail
cd "$(dirname "$0")/../.."
flags=(-c release --scratch-path .build-fuzz --product dsd-fuzz)
flags+=(-Xswiftc -sanitize=fuzzer,address -Xswiftc -g -Xswiftc -use-ld=lld)
flags+=(-Xcc -fsanitize=fuzzer-no-link,address,undefined -Xcc -fno-sanitize-recover=undefined)
# Instrumented loops are not vectorised, which is no news.
flags+=(-Xcc -fno-omit-frame-pointer -Xcc -Wno-pass-failed)
DSD_FUZZ=1 swift build "${flags[@]}"
