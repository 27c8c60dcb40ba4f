"""A folder for ``PYTHONPATH``: nodes of a fleet then say what they are without looking."""
