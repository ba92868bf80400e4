"""Work folders: clones of this checkout in which DVC runs other params, with the cache of the checkout."""
