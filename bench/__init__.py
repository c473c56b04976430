"""`make bench`: what the command line and the rendered service cost, beside what is least or usual.

`actor` and `mutex` are the rendered service with this store and every interface. What is compared
is measured in one run, in turn. Nothing here is a test.
"""
