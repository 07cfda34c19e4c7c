"""Takes a model elsewhere: a web page that needs no network, and ONNX."""
