"""Where a network runs: PyTorch, ONNX Runtime or TensorRT, to one answer."""
