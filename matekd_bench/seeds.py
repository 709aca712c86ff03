"""Seeds keyed by names, so that no random choice depends on what was drawn before it."""

from __future__ import annotations

import hashlib

SEED_BITS = 63  # torch.Generator and random.Random both take what fits a signed 64-bit integer


def seed_of(*parts: str | int) -> int:
    """A 63-bit seed from named parts, e.g. ``seed_of(3, "rte", "dropout", 17, 0)``.

    The parts are joined with their types, so ``seed_of("1")`` and ``seed_of(1)`` differ. The same on every
    machine and under every PYTHONHASHSEED. Raises TypeError for a part that is neither text nor a number.
    """
    text = []
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, (str, int)):
            raise TypeError(f"a seed is made of text and whole numbers, not {part!r}")
        text.append(f"s{len(part)}:{part}" if isinstance(part, str) else f"i{part}")
    hashed = hashlib.sha256("|".join(text).encode()).digest()
    return int.from_bytes(hashed[:8], "big") >> (64 - SEED_BITS)
