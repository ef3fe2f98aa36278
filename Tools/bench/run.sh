#!/bin/sh
# One UNet pass beside ONNX Runtime. GRAPH is a pipeline graph beside its weights; PYTHON has onnx, onnxruntime
# and numpy.
#     make bench GRAPH=checkpoint/graph.pb PYTHON=.venv/bin/python
set -eu
: "${GRAPH:?set GRAPH to a pipeline graph, such as one made by dsd import}"
exec "${PYTHON:-python3}" "$(dirname "$0")/unet_pass.py" --bin "$(dirname "$0")/../../.build/release" "$GRAPH"
