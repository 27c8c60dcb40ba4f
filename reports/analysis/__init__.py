"""Frames -> answers: comparisons, break-evens, compilation, sentences."""
