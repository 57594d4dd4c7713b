"""Looking after a store from outside: what is in it, whether it is whole, and copies of it.

Everything here reads, beside a running server or without one; nothing changes a store. The trap:
a damaged store must not stop the reading, so each part is looked at for itself.
"""
