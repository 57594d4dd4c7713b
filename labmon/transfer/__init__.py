"""Streams as files and back: CSV, JSON lines and Parquet, of any size in constant memory.

`exporting` and `importing` do the work, a module for each format knows its shape. The trap: what
is exported and imported again must be what it was, bit for bit, so no format may guess.
"""
