"""The one error of this package."""


class InputError(ValueError):
    """An input that the networks refuse: says what is wrong, where, and what would be right."""
