"""Export of trained models: ONNX files, quantization, pictures."""
