# Two commands do all the set-up: `make demo` and `make test`.

SWIFT ?= swift
BUILD = $(SWIFT) build -c release
SAMPLE = Graphs/sample
APT_PACKAGES = libopenblas-dev libprotobuf-c-dev libpng-dev libjpeg62-turbo-dev libsqlite3-dev pkg-config

# For the tests alone: processes of mpirun, and a browser that a script drives.
TEST_PACKAGES = openmpi-bin
BROWSER_PACKAGES = chromium chromium-driver python3

.PHONY: demo test test-playground build bench format deps proto clean

## Score the sample photograph against captions, through the whole pipeline.
demo: build
	@./Tools/demo.sh

## Build both programs: .build/release/dsd and .build/release/dsd-run.
build: deps
	$(BUILD) --product dsd
	$(BUILD) --product dsd-run

## Run every test, in release.
test: deps
	@./Tools/install-deps.sh $(TEST_PACKAGES)
	$(SWIFT) test -c release -Xswiftc -enable-testing

## Drive the page of `dsd serve` in headless Chromium, with the programs that `make build` or `make test` has made.
test-playground:
	@./Tools/install-deps.sh $(BROWSER_PACKAGES)
	@for program in dsd dsd-run; do \
	  [ -x .build/release/$$program ] && [ -z "$$(find Sources Package.swift -newer .build/release/$$program)" ] \
	    || { $(MAKE) build; break; }; \
	done
	python3 Tools/playground/check.py

## Time the operators that matter, and a UNet pass beside ONNX Runtime and OpenVINO (needs Python packages, see Tools/bench).
bench: build
	@CHECKPOINT="$(CHECKPOINT)" ENGINES="$(ENGINES)" PYTHON="$(PYTHON)" ./Tools/bench/run.sh

format:
	$(SWIFT) format --in-place --recursive --configuration .swift-format Sources Tests Examples Package.swift

## C code of the wire format, from Specs/graph.proto (needs protobuf-c-compiler).
proto:
	protoc-c --c_out=Sources/CGraphProto -I Specs Specs/graph.proto
	mv Sources/CGraphProto/graph.pb-c.h Sources/CGraphProto/include/

## Install the system libraries that are missing (Debian and its relatives).
deps:
	@./Tools/install-deps.sh $(APT_PACKAGES)

clean:
	rm -rf .build
