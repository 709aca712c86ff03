"""Data sources with a common interface: a GLUE folder, the Hub, and tasks that bring their own data."""

from matekd_bench.tasks.sources.embedded import Embedded
from matekd_bench.tasks.sources.glue_folder import GlueFolder
from matekd_bench.tasks.sources.hub import Hub
from matekd_bench.tasks.sources.source import DamagedCacheError, DataSource, MissingSplitError
from matekd_bench.tasks.sources.task_data import load_split, load_task, source_of

__all__ = [
    "DamagedCacheError",
    "DataSource",
    "Embedded",
    "GlueFolder",
    "Hub",
    "MissingSplitError",
    "load_split",
    "load_task",
    "source_of",
]
