"""Frames for other tools: trackers of benchmarks, TensorBoard."""
