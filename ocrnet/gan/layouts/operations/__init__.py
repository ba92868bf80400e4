"""The operations that make layouts: each has one file and one line in `ocrnet.gan.OPERATIONS`.

A file defines the operation's kind of step as plain data, its effect on a label map and on an image, and the draw of
its numbers.
"""
