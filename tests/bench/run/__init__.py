"""Tests of `bench.run`."""
