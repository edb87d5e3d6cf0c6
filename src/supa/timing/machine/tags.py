"""The L2's tags: set-associative, least recently used, valid and dirty bits by sector. Not here: time, bandwidth.

One entry is `line << 16 | dirty sectors << 8 | valid sectors`, -1 when empty; a set holds its ways newest first.
"""

from __future__ import annotations

from supa.timing.machine.compiled import Words, compiled
from supa.timing.machine.layout import PARTITION_COUNT, SETS, TAGS, WAYS

_MIX = -7046029254386353131  # 2**64 / golden ratio, as a signed integer: multiplicative hashing


@compiled
def mix(line: int) -> int:
    """A hash of a line number: 31 bits."""
    x = line * _MIX
    x ^= (x >> 29) & 0x7FFFFFFFF
    x *= _MIX
    return (x >> 33) & 0x7FFFFFFF


@compiled
def sectors(mask: int) -> int:
    """How many of 8 sectors a mask names."""
    mask = mask - ((mask >> 1) & 0x55)
    mask = (mask & 0x33) + ((mask >> 2) & 0x33)
    return (mask + (mask >> 4)) & 0x0F


@compiled
def touch(m: Words, first: int, ways: int, line: int, mask: int, dirty: int) -> int:
    """Look a line up and make it the newest; missing sectors become valid.

    Returns the sectors that were missing, as a mask, plus 256 times the number of dirty sectors evicted.
    """
    place = ways - 1
    found = -1
    for way in range(ways):
        entry = m[first + way]
        if entry >> 16 == line:
            found = entry
            place = way
            break
        if entry < 0:
            place = way
            break
    evicted = 0
    missing = mask
    kept = (line << 16) | mask | (dirty << 8)
    if found >= 0:
        missing = mask & ~found & 0xFF
        kept = found | mask | (dirty << 8)
    else:
        victim = m[first + place]
        if victim >= 0:
            evicted = sectors((victim >> 8) & 0xFF)
    for way in range(place, 0, -1):
        m[first + way] = m[first + way - 1]
    m[first] = kept
    return missing + 256 * evicted


@compiled
def drop(m: Words, first: int, ways: int, line: int) -> None:
    """Forget a line: its copy was overwritten elsewhere."""
    for way in range(ways):
        entry = m[first + way]
        if entry < 0:
            return
        if entry >> 16 == line:
            for later in range(way, ways - 1):
                m[first + later] = m[first + later + 1]
            m[first + ways - 1] = -1
            return


@compiled
def dirty_sectors(m: Words) -> int:
    """Dirty sectors in all of the tags."""
    total = 0
    for place in range(m[TAGS], m[TAGS] + m[PARTITION_COUNT] * m[SETS] * m[WAYS]):
        if m[place] >= 0:
            total += sectors((m[place] >> 8) & 0xFF)
    return total
