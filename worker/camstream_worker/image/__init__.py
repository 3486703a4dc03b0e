"""Arrays in, arrays or numbers out. Pure."""
