"""The maintainers' evidence: real histories, other tools, a GPU's checklist. Not in the wheel.

In: an evening on a machine. Out: the pages of `reports/reference`. Entry: ``python -m bench lab``.
"""
