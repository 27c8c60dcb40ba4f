"""Tests of `bench.selftest`."""
