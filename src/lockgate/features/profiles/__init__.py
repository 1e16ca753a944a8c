"""Profiles, counted: `cut` fixes the cells, `tally` fills them, of columns, of a worker's rows, or of a table (Polars).

What counts is numpy alone and is the same code for all three, so that a table and its rows agree to the bit.
"""
