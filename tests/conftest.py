"""Warnings are errors in the tests, but not in `pytest bench`: users have other versions."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "error")
