"""Tests of `reports.exports`."""
