"""The user's own proof: how far can the numbers be trusted, on this machine?

In: a number of trials. Out: a page with false alarms, power and coverage, measured here.
"""
