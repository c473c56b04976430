"""`make bench`: what the command line and the rendered service cost, beside what is least or usual.

Everything that is compared is measured in one run, in turn. Nothing here is a test.
"""
