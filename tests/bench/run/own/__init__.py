"""Tests of `bench.run.own`."""
