"""Tests of `bench.stats`."""
