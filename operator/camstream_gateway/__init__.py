"""The live page: every stream as it happens, in a browser."""
