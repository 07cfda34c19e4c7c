"""Takes a model elsewhere: a web page that needs no network, ONNX, safetensors, and weights of fewer bits."""
