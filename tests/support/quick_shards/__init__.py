"""A folder for ``PYTHONPATH``: nodes of a fleet then measure nothing, but behave as if they did."""
