"""ONNX Runtime, imported from here so that it reports nothing to its maker."""

import os

# From 1.29 on it sends the names and hashes of models to Microsoft, unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

__all__ = ["ort"]
