"""The git repository: git itself, clones of it, branches of results and tags of registered versions."""
