"""What is stored, and how: plain frozen data, standard library only.

In: JSON and options. Out: cases, recipes, records, tasks, journals and folders of runs. Whatever a
statistic needs is in these types; none of them computes one.
"""
