"""From a case to arms that can be called.

In: options, then a case and the recipes of its arms. Out: networks with equal weights, inputs, and
the call that is timed; checked to do the same work before anything is.
"""
