"""Tests of `reports.analysis`."""
