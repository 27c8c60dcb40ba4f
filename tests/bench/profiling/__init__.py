"""Tests of `bench.profiling`."""
