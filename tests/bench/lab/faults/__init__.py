"""Mirrors `bench.lab.faults`."""
