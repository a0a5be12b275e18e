#!/bin/sh
# Take out of an environment what libraries ship for their own developers or for work that no container does: test suites,
# C headers, quantization tools. It is a tenth of every image.
# Usage: trim-venv.sh ENVIRONMENT [PACKAGE_FOLDER_NEVER_IMPORTED...]    the latter lose their byte code only
set -eu
cd "$1"/lib/python3.*/site-packages
shift

for package in numpy onnxmltools pandas pyarrow scipy skl2onnx sklearn sqlparse; do
  [ ! -d "$package" ] || find "$package" -type d -name tests -prune -exec rm -rf {} +
done
rm -rf numpy/_core/include onnx/backend/test pyarrow/include pydeck/nbextension sqlalchemy/testing
rm -rf onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers

for folder in databricks "$@"; do
  [ ! -d "$folder" ] || find "$folder" -type d -name __pycache__ -prune -exec rm -rf {} +
done
