"""`bench compare` and `bench bisect`: has it become slower?

In: two revisions, or two folders. Out: verdicts per case and over all of them, as comment, JUnit
and JSON.
"""
