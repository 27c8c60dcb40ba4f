"""`pytest bench`: what PANet costs.

In: the options of the command line. Out: the results of a run, replayed into pytest-benchmark, and
the file that `reports` reads.
"""
