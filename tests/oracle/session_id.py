"""SessionId, derived once more: XXH3-128 over app, user, happened_at and message_id, the high half first."""

import struct

import xxhash


def derive(app: str, user: str, happened_at: int, message_id: str) -> str:
    """Returns the 32 hexadecimal digits."""
    fed = text(app) + text(user) + struct.pack("<q", happened_at) + text(message_id)
    return xxhash.xxh3_128_hexdigest(fed)


def text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded
