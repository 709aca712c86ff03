"""Where a task's data comes from: a GLUE folder, the Hub or the task itself, behind one interface."""

from matekd_bench.tasks.sources.embedded import Embedded
from matekd_bench.tasks.sources.glue_folder import GlueFolder
from matekd_bench.tasks.sources.hub import Hub
from matekd_bench.tasks.sources.source import DataSource, MissingSplitError
from matekd_bench.tasks.sources.task_data import load_split, load_task, source_of

__all__ = [
    "DataSource",
    "Embedded",
    "GlueFolder",
    "Hub",
    "MissingSplitError",
    "load_split",
    "load_task",
    "source_of",
]
