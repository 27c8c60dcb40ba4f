"""Where the time goes, in processes of their own that time nothing.

In: a case and an arm. Out: traces for TensorBoard and Perfetto, and beside each what it says, stage
by stage, with the ceilings of the machine.
"""
