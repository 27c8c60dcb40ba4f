"""Found instead of pytest, by processes that a fleet's node starts."""
