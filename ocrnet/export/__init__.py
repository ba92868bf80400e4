"""A trained model as one file for other programs: ONNX, in 32 or 8 bits, and torch.export."""
