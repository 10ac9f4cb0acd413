"""
What congruence costs, beside other programs: ``python -m benchmarks [NAME ...] [--quick]``.

Every benchmark is a module with a function ``rows(quick)`` that returns `Row`
objects; `--quick` takes tiny inputs, to show that the code still runs.
"""
