"""Text that cannot steer what shows it."""

from __future__ import annotations

import json

from matekd_bench.files.printable import json_text, one_line, printable

HOSTILE = "a\x1b]0;owned\x07\x9b2J\u202eb\u2028c\r\x7f"


def test_control_characters_and_changes_of_direction_are_replaced() -> None:
    assert printable(HOSTILE) == "a�]0;owned��2J�b�c��"
    assert (
        printable("plain\n\ttext: é 漢 \N{ZERO WIDTH JOINER} \xa0")
        == "plain\n\ttext: é 漢 \N{ZERO WIDTH JOINER} \xa0"
    )
    assert one_line("a\nerror: b") == "a�error: b"


def test_json_is_safe_to_show_and_reads_back_the_same() -> None:
    text = json_text({HOSTILE: [HOSTILE, 1.5, None]}, indent=1)
    assert printable(text) == text
    assert json.loads(text) == {HOSTILE: [HOSTILE, 1.5, None]}
