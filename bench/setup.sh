#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench/setup.sh: a Python environment with ONNX Runtime in build/bench-venv, to compare with. Adze itself
# needs none of it. The versions are in requirements.txt.
set -eu
cd "$(dirname "$0")/.."
venv=build/bench-venv
mkdir -p build
[ -x $venv/bin/python ] || python3 -m venv $venv
$venv/bin/pip install --quiet --disable-pip-version-check -r bench/requirements.txt
$venv/bin/python -c 'import onnxruntime; print("ONNX Runtime", onnxruntime.__version__)'
