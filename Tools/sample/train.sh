#!/bin/sh
# Trains the sample model from the package dataset-fashion-mnist. Stopped at any moment, it goes on from its last
# checkpoint when it is started again.
#
#   Tools/sample/train.sh WORK
set -eu
work=${1:?usage: Tools/sample/train.sh WORK}
here=$(dirname "$0")
python=${PYTHON:-python3}
# Threads that wait should not keep a core from other programs.
export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
"$python" "$here/train_vae.py" "$work"
"$python" "$here/train_unet.py" "$work"
"$python" "$here/classifier.py" "$work"
