"""Words for messages: the known name that is meant, the nearest to a wrong one, the kind of a value, counted things."""

from __future__ import annotations

from collections.abc import Iterable

SIMILAR = 0.65  # ratio of difflib at which two words are similar even if no half of a word is the same
MARKS = str.maketrans("", "", "-_ ")


def match_name(name: str, names: Iterable[str]) -> str:
    """Return the one of `names` that is written `name` apart from case, hyphens, underscores and spaces.

    An exact name wins. If none or several fit, `name` is returned as it is: `match_name("SST-2", ["sst2"])` is "sst2".
    """
    known = list(dict.fromkeys(names))
    if name in known:
        return name
    matches = [other for other in known if plain(other) == plain(name)]
    return matches[0] if len(matches) == 1 else name


def plain(name: str) -> str:
    """Return a name in lower case, without hyphens, underscores and spaces."""
    return name.casefold().translate(MARKS)


def nearest(name: str, names: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Return the most similar of `names`, or None if none is similar; `cutoff` is the least similarity, 0 to 1.

    Dashes in front count for nothing: all options have them.
    """
    import difflib  # only where a name is wrong: every start of the command line would pay for it

    bare = {other.lstrip("-").casefold(): other for other in names}
    written = name.lstrip("-").casefold()
    for match in difflib.get_close_matches(written, list(bare), n=3, cutoff=cutoff):
        matcher = difflib.SequenceMatcher(None, match, written)
        common = matcher.find_longest_match().size / min(len(match), len(written))
        # Long words have many letters in common: "temperature" is no slip for "generator" (ratio 0.6).
        if matcher.ratio() >= SIMILAR or common >= 0.5:
            return bare[match]
    return None


def nearest_of(name: str, present: Iterable[str]) -> str | None:
    """Return the one of the names that exist somewhere, such as columns of a file, that `name` may be a slip for."""
    return nearest(name, present, cutoff=0.7)


def counted(count: int, thing: str) -> str:
    """Return a number with what it counts: "1 run", "2 runs"."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def kind_in_words(value: object) -> str:
    """Return the kind of a value with its article: "a list", "an int", "the class Eda"; "None" for None."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    name = f"{library}.{kind.__name__}" if library in ("numpy", "torch") else kind.__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
