"""Lets an installed harness be called by its name: ``pytest --pyargs bench --preset smoke``.

pytest looks for the options of a conftest only below paths. Where a package is named, this hook
names its folder as well, before the options are parsed. It is loaded into every run of pytest, so
it has a name of its own and imports nothing: a user's own package ``bench`` stays his.
"""

import importlib.util

import pytest


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Add the folder of the harness to the paths whose conftest is loaded first."""
    known = early_config.known_args_namespace
    if known.pyargs and "bench" in known.file_or_dir:
        spec = importlib.util.find_spec("bench")
        known.file_or_dir.extend(spec.submodule_search_locations or () if spec else ())
