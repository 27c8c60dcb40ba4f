"""The one error of this package."""


class ReportError(Exception):
    """A file that cannot be read, or an output that cannot be written; one line for the user."""
