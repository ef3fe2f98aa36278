#!/bin/sh
# A UNet pass and the encoding of an image beside ONNX Runtime and OpenVINO. CHECKPOINT is a folder with a graph.pb that
# dsd import made; PYTHON has what Tools/bench/peers.py imports.
#     make bench CHECKPOINT=folder PYTHON=.venv/bin/python
set -eu
: "${CHECKPOINT:?set CHECKPOINT to a diffusers folder with the graph.pb of dsd import in it}"
here=$(dirname "$0")
for part in unet vae; do
  "${PYTHON:-python3}" "$here/peers.py" --bin "$here/../../.build/release" "$CHECKPOINT" --part $part \
    --engines "${ENGINES:-dsd,onnxruntime,openvino}"
done
