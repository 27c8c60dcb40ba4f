"""Tests of `bench.workload`."""
