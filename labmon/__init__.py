"""labmon watches laboratory instruments: live in the browser, recorded, queryable, controllable."""

__version__ = "0.1.0"
