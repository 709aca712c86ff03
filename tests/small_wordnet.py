"""A WordNet of five synsets, for tests that read one."""

from __future__ import annotations

from pathlib import Path

SYNSETS = {
    "noun": [("film", "movie", "motion_picture"), ("dog", "hound")],
    "verb": [("film", "shoot")],
    "adj": [("good", "fine")],
    "adv": [("well", "good")],
}


def write_wordnet(folder: Path) -> Path:
    """A WordNet of five synsets in the database format wndb(5)."""
    folder.mkdir(parents=True)
    for number, (part, synsets) in enumerate(SYNSETS.items()):
        letter = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}[part]
        data = "  1 WordNet 9.5 Copyright (test data) \n"
        index: dict[str, list[str]] = {}
        for words in synsets:
            offset = f"{len(data):08d}"
            listed = " ".join(f"{word} 0" for word in words)
            frames = " 01 + 08 00" if part == "verb" else ""
            data += f"{offset} {number:02d} {letter} {len(words):02x} {listed} 000{frames} | a gloss  \n"
            for word in words:
                index.setdefault(word, []).append(offset)
        lines = [f"{word} {letter} {len(at)} 0 {len(at)} 0 {' '.join(at)}  \n" for word, at in index.items()]
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text("".join(sorted(lines)))
        (folder / f"{part}.exc").write_text("geese goose\n" if part == "noun" else "")
    (folder / "lexnames").write_text("".join(f"{n:02d}\tany.{n}\t1\n" for n in range(len(SYNSETS))))
    for path in (folder, folder.parent, *folder.iterdir()):
        path.chmod(path.stat().st_mode & ~0o022)
    return folder
