"""Label maps drawn from annotation files: outlines and run lengths of named categories become class ids."""
