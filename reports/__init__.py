"""The reading: records -> frames -> page."""
