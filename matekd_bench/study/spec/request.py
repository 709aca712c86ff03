"""What the user asked for, before presets and files have filled in the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EXECUTORS = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The options of one `run` command; None means "as the preset or config says".

    `glue_dir` was typed; `glue_home` is where GLUE files lie on this machine, used only where a study reads GLUE.
    `devices` is how many to plan for.
    """

    methods: str | None = None
    tasks: str | None = None
    preset: str | None = None
    config: Path | None = None
    glue_dir: Path | None = None
    glue_home: Path | None = None
    teacher: str | None = None
    student: str | None = None
    generator: str | None = None
    seeds: int | None = None
    first_seed: int | None = None
    results: Path = Path("results")
    sets: tuple[str, ...] = ()
    limit_train: int | None = None
    limit_eval: int | None = None
    budget: str | None = None
    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    deterministic: bool | None = None
    reference: str | None = "kd"
    eval_on: str | None = None
    tune: int | None = None
    keep: str | None = None
    fail_fast: bool = False
    shard: str | None = None
    devices: int | None = None
    track: str | None = None  # names of trackers, separated by commas
    jobs: str | None = None
    executor: str = "local"
    ray_address: str = "auto"
    processes: int | None = None
    command: str = ""
