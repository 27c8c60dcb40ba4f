"""Whether the calls of a case can be split by marks; known without torch, for whoever plans."""

from bench.schema.case import FROZEN, TORCH, Case


def can_split(case: Case) -> bool:
    """Return whether calls of a case can be split (`bench.workload.marks`, `graph_marks`)."""
    if case.eager:
        return True
    if case.runtime != TORCH or case.compile_mode == FROZEN:  # which makes other kernels
        return False
    ours = case.scope in ("neck", "model")
    quiet = case.device == "cpu" and case.pass_name == "inference" and case.channels_last
    return ours and quiet
