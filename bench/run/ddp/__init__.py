"""Training on several devices: what PANet's gradients add to a step of DDP.

A rank is a worker of a fork server of its own. What it times, and when, is the same on all of them;
of every turn the slowest rank's time counts.
"""
