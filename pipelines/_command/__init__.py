"""What all commands share: arguments, exit codes, and texts without secrets."""
