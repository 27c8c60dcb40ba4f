"""Tests of `bench.engine`."""
