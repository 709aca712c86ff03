"""Where a task's data comes from: a GLUE folder or the Hub, behind one interface."""

from matekd_bench.tasks.sources.base import MissingSplitError, Rows, Source
from matekd_bench.tasks.sources.glue_folder import GlueFolder
from matekd_bench.tasks.sources.hub import Hub
from matekd_bench.tasks.sources.loading import load_split, load_task

__all__ = ["GlueFolder", "Hub", "MissingSplitError", "Rows", "Source", "load_split", "load_task"]
