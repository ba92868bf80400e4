"""What all stages share: dependencies, record, checkpoints and exit codes."""
