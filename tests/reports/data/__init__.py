"""Tests of `reports.data`."""
