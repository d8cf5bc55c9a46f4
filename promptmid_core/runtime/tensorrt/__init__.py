"""TensorRT and TensorRT-RTX: the library, engines built and kept, and a network that one runs."""
