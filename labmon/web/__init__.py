"""The web: parses a request, asks one object, writes the answer. Nothing is decided here."""
