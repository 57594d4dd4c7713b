"""Bodies of blocks in a SQLite file, in packs or alone: told, and changed to damage them."""

from labmon.datastream.backends.sqlite_packs import MAGIC, packed, unpacked


def bodies(connection):
    """All bodies that are there, by their numbers."""
    found = {}
    for last, data in connection.execute("SELECT id, body FROM bodies"):
        if data.startswith(MAGIC):
            some = unpacked(data)
            numbers = range(last - len(some) + 1, last + 1)
            found.update({n: b.data for n, b in zip(numbers, some, strict=True) if not b.is_gone})
        else:
            found[last] = data
    return found


def change_body(connection, number, change):
    """Change the bytes of one body; returns how many it has then."""
    last, data = connection.execute(
        "SELECT id, body FROM bodies WHERE id >= ? ORDER BY id", (number,)
    ).fetchone()
    if data.startswith(MAGIC):
        some = unpacked(data)
        at = number - last - 1
        changed = change(some[at].data)
        some[at] = some[at]._replace(data=changed)
        data = packed(some)
    else:
        data = changed = change(data)
    connection.execute("UPDATE bodies SET body = ? WHERE id = ?", (data, last))
    connection.commit()
    return len(changed)
