"""The operations that make layouts: a file each, a line each in `ocrnet.gan.layouts.OPERATIONS`.

A file holds the operation's kind of step as plain data, how the step changes a label map and a picture, and
how its numbers are drawn.
"""
