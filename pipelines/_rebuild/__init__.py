"""What `pipelines.rebuild` does in its scratch clone: the commit, the data, the stages and the comparison."""
