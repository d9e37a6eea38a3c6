"""Export: a pose estimator as one graph, written as a file of ONNX or OpenVINO."""
