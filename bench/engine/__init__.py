"""Processes and turns.

In: a plan (cases, arms, budget). Out: replicates, a journal line each: fork servers start fresh
workers, whose arms take turns round by round until every case is sure enough.
"""
