"""What is known of the machine: environment, clock, allocator, contention, GPU.

In: what the system tells (/proc, cgroups, NVML, torch). Out: values that go into a record.
"""
