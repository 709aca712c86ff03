"""The texts with which screens describe a study: its grid, evaluations, ends of runs, and times."""

from __future__ import annotations

from matekd_bench.events import Evaluated, Progress, RunFinished, StudyStarted
from matekd_bench.spelling import counted

STOPPING = "stopping after this update; press Ctrl-C again to stop now"


def loss_text(loss: float | None) -> str:
    """Return a loss as text; "" if it is not known."""
    return "" if loss is None else f"loss {loss:.3f}"


def time_left(seconds: float | None) -> str:
    """Return the time left as text; "" if it is not known."""
    return "" if seconds is None else f"{duration(seconds)} left"


def auxiliary_count(progress: Progress) -> str:
    """Return how many auxiliary updates, such as a generator's, are done before the student's next update."""
    if not progress.auxiliary_limit:
        return ""
    return f"auxiliary {progress.auxiliary_done}/{progress.auxiliary_limit}"


def grid_line(study: StudyStarted) -> str:
    """Describe the grid in one sentence."""
    left = len(study.todo)
    state = f"{left} to do" if left else "all recorded"
    time = "" if study.seconds is None or not left else f", about {duration(study.seconds)}"
    return (
        f"{counted(len(study.runs), 'run')} ({counted(len(study.methods), 'method')} x "
        f"{counted(len(study.tasks), 'task')} x {counted(len(study.seeds), 'seed')}), {state}{time}; records go to "
        f"{study.results}"
    )


def evaluation_line(evaluation: Evaluated, loss: float | None) -> str:
    """Describe one evaluation; the score is in points (0 to 100)."""
    parts = [f"{100 * evaluation.score:.1f}", loss_text(loss)]
    return f"evaluation {evaluation.number}/{evaluation.total}: {', '.join(filter(None, parts))}"


def end_line(end: RunFinished) -> str:
    """Describe how a run ended; the score is in points (0 to 100)."""
    points = "" if end.score is None else f" {100 * end.score:.1f}"
    return f"{end.status}{points} after {duration(end.seconds)}"


def duration(seconds: float) -> str:
    """Format seconds for people: "42 s", "3 min", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"
