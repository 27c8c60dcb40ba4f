"""Tests of `bench.machine`."""
