"""The measuring: case -> rounds -> record."""
