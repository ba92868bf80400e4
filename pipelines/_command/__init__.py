"""What all commands share: arguments, exit codes, and words without secrets."""
