"""Shortens the studies of examples: settings that are given last, so that they win."""

from __future__ import annotations

from typing import Any

from matekd_bench import Study

BRIEF: dict[str, Any] = {
    "budget": "student_updates=4",
    "limit_eval": 60,
    "teacher": {"budget": {"limit": 60}},
    "training": {"evaluations": 2},
    "seeds": 1,
    "jobs": "1",
}


class BriefStudy(Study):
    """A study whose teacher has learned a little, and whose runs take a second."""

    def __init__(self, methods: Any = None, tasks: Any = None, **settings: Any) -> None:
        super().__init__(methods, tasks, **{**settings, **BRIEF})
