"""Byte streams of one kind each: they move bytes and wait in short slices; `Link` does the rest."""

from labmon.device.transports.stream import ByteStream

__all__ = ["ByteStream"]
