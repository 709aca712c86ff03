"""The request of a study: the options that the user typed, before preset and config file add the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EXECUTORS = ("local", "ray")


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The options of one `run` command; None leaves the value to the config file or the preset."""

    methods: str | None = None
    tasks: str | None = None
    preset: str | None = None
    config: Path | None = None
    glue_dir: Path | None = None  # as typed by the user
    glue_home: Path | None = None  # GLUE folder of this machine, used only if the study reads GLUE
    teacher: str | None = None
    student: str | None = None
    generator: str | None = None
    seeds: int | None = None
    first_seed: int | None = None
    results: Path = Path("results")
    sets: tuple[str, ...] = ()  # parameters of methods, as METHOD.PARAMETER=VALUE
    limit_train: int | None = None
    limit_eval: int | None = None
    budget: str | None = None  # KIND=N, e.g. student_updates=500
    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    deterministic: bool | None = None
    reference: str | None = "kd"  # None: no row is the reference
    eval_on: str | None = None
    tune: int | None = None  # tuning trials of every method
    keep: str | None = None
    fail_fast: bool = False
    shard: str | None = None  # the part of the grid to train, as I/N
    devices: int | None = None  # number of devices to forecast for
    track: str | None = None  # names of trackers, separated by commas
    jobs: str | None = None  # runs at a time: a number or "auto"
    executor: str = "local"
    ray_address: str = "auto"
    processes: int | None = None  # processes that train each run together
    command: str = ""  # the command line, for the records
