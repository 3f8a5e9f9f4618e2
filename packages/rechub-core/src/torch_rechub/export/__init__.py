"""A trained model outside of this framework: as an ONNX file, quantized, as a picture."""
