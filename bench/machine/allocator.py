"""The malloc of the workers: it keeps its pages."""

KEEPS_PAGES = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
}
"""glibc keeps its pages (mallopt(3)). By default large tensors are mapped and unmapped at every
call, and the page faults were most of the noise; jemalloc and tcmalloc keep them by themselves."""
