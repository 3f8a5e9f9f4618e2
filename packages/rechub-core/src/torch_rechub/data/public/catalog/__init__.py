"""The data sets: for each its layout, and the function that opens the user's archive.

To add one, describe its files in a `Layout` here, pass that to `open_data` in a function whose
docstring names the tables and the terms, export the function, and add a small archive to the tests.
"""
