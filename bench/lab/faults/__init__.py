"""The campaign of faults: everything that can be broken is, and what must hold is looked at.

`kinds` has the table of faults, `campaign` works through it, `page` tells what came of it.
"""
