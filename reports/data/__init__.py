"""Files -> frames: the only place that reads what a run left, and that builds pandas frames."""
