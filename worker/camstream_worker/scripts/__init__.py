"""Users' own code: loading it, calling it, and telling what is wrong with it."""
