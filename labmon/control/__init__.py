"""Commands: who may give them, which parameters they take, and the record that they leave.

No sockets here: `Rpc.handle` takes a decoded request and a `Caller`, and returns a reply.
"""
