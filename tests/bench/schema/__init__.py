"""Tests of `bench.schema`."""
