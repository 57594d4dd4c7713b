"""Protocols without sockets: `feed(bytes)` gives what is complete, whatever was split or damaged.

Drivers and simulators share them; nothing here opens, waits or knows the time.
"""
