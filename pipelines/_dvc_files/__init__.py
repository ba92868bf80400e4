"""The files that DVC keeps: `dvc.lock`, its config and its cache, read without DVC."""
