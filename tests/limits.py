"""How long a test waits for what has to happen."""

# A test that waits longer counts as hanging. A busy machine needs many minutes for what a free one does in one, and a
# longer limit costs a test that passes nothing.
HANG_S = 1800.0
