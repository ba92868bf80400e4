"""The command line `ocrnet`: one file per verb."""
