"""Writes the sentences about a leaderboard that the terminal and all documents share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from matekd_bench.methods.typed_names import preset_lines, set_by_presets
from matekd_bench.results.leaderboard.glue_score import GLUE8
from matekd_bench.results.leaderboard.table import LeaderboardTable, LeaderboardTables, TaskColumn
from matekd_bench.results.leaderboard.task_columns import FACTOR
from matekd_bench.results.records.code_record import differing_code
from matekd_bench.results.records.recorded_command import quoted_command
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import MARKS, PROBLEMS, teacher_cost
from matekd_bench.results.report.columns import ENVIRONMENT, environment, students
from matekd_bench.results.report.mark_sentences import list_rows, mark_notes
from matekd_bench.results.stats.intervals import MIN_SEEDS
from matekd_bench.spelling import counted

SEED_RULE = "no interval, no verdict"
BEST = "* no row is significantly better."
COUNTED_FLOPS = "FLOPs count training and the warm-up of a method's own network."


def title(table: LeaderboardTable) -> str:
    """Describe what all rows of this table share: preset, protocol, teacher, student, tuning."""
    synthetic = ["SYNTHETIC mini-GLUE, not GLUE"] if table.synthetic else []
    teachers = sorted({column.teacher for column in table.columns if column.teacher})
    names = sorted({student for row in table.rows for student in students(row)})
    parts = [*synthetic, f"preset {', '.join(table.presets)}", f"protocol {table.protocol_id}"]
    parts += [f"teacher {', '.join(teachers)}"] if teachers else []
    parts += [f"student {', '.join(names)}"] if names else []
    parts += [table.tuning]
    return "; ".join(parts)


def how_to_read(table: LeaderboardTable, *, cost: bool = True) -> str:
    """Explain the numbers of the score table, whether differences were tested, and with `cost` those of costs."""
    sentences = ["Scores in points at the last evaluation" + (", mean ± sd." if table.seeds > 1 else ".")]
    if has_differences(table):
        sentences.append(f"In parentheses: difference to {table.reference} on common seeds.")
    verdicts = verdicts_in(table)
    if table.seeds == 0:
        sentences.append("No run has a score.")
    elif table.seeds < MIN_SEEDS:
        sentences.append(f"{seeds(table)}: {SEED_RULE}.")
    elif not verdicts:
        sentences.append(f"{seeds(table)}; differences are not tested.")
    else:
        sentences += [f"{seeds(table)}.", *_how_tested(table, verdicts)]
    if cost:
        sentences += ["Costs are means per run.", COUNTED_FLOPS]
    return " ".join(sentences)


def has_differences(table: LeaderboardTable) -> bool:
    """Return True if any shown cell has a difference to the reference."""
    return any(cell.delta is not None for row in table.rows for cell in table.shown_cells(row).values())


def seeds(table: LeaderboardTable) -> str:
    """Return the number of seeds of the shown cells: "3 seeds", or "3 seeds unless marked"."""
    differ = any(0 < cell.n < table.seeds for row in table.rows for cell in table.shown_cells(row).values())
    return f"{counted(table.seeds, 'seed')}{' unless marked' * differ}"


def verdicts_in(table: LeaderboardTable) -> set[str]:
    """Return the verdicts of the shown cells."""
    cells = (cell.statistics for row in table.rows for cell in table.shown_cells(row).values())
    return {cell.verdict for cell in cells if cell.verdict}


def _how_tested(table: LeaderboardTable, verdicts: Collection[str]) -> Iterator[str]:
    """Explain the correction for multiple tests and the marks of the verdicts."""
    yield (
        "Differences are tested against the noise of seeds and examples, with Holm's correction over "
        f"{tested_family(table)}. Each interval holds for one comparison; verdicts hold for all comparisons together."
    )
    if marks := verdict_marks(verdicts):
        unmarked = ["no mark: inconclusive, which does not mean equal"] * ("inconclusive" in verdicts)
        yield f"{', '.join((*marks, *unmarked))}."
    if any(row.overall.rank and row.overall.rank.with_best for row in table.rows):
        yield BEST


def tested_family(table: LeaderboardTable) -> str:
    """Describe the differences that are tested together: "5 methods x 4 tasks, and separately 1 baseline x 4 tasks"."""
    return _families(table, f" x {table.compared} tasks" if table.compared > 1 else "")


def _families(table: LeaderboardTable, columns: str) -> str:
    families = {"method": table.family, "baseline": table.tested_baselines}
    parts = [f"{counted(len(rows), row)}{columns}" for row, rows in families.items() if rows]
    return ", and separately ".join(parts)


def tested_sets(also: LeaderboardTable) -> str:
    """Describe the differences on further sets that are tested together: "5 methods x 1 set"; "" if none is tested."""
    if not verdicts_in(also):
        return ""
    return _families(also, f" x {counted(also.compared, 'set')}")


def verdict_marks(verdicts: Collection[str]) -> list[str]:
    """Explain the marks of these verdicts."""
    marks = [f"{MARKS[verdict].strip()} {verdict}" for verdict in ("better", "worse") if verdict in verdicts]
    return [*marks, *["≈ equivalent (within half a point)"] * ("equivalent" in verdicts)]


def data_line(column: TaskColumn, table: LeaderboardTable) -> str:
    """Describe one task's data: state, sizes, metrics, budget, source."""
    rows = ", ".join(f"{count} {split}" for split, count in column.eval_rows.items())
    holdout = "" if column.eval_on == "dev" else ", scored on a holdout of train"
    kinds = "/".join(table.budget_kinds).replace("_", " ")
    limits = "/".join(map(str, column.budget))
    parts = (column.data_state, rows + holdout, _metrics(column), f"{limits} {kinds}", column.source)
    return f"{column.name}: {'; '.join(parts)}"


def _metrics(column: TaskColumn) -> str:
    names = ", ".join(column.metrics)
    return f"mean of {names}" if len(column.metrics) > 1 else names or "no metric"


def notes(table: LeaderboardTable) -> list[str]:
    """Return the lines that a terminal replaces by their number: a line about the data of each task, then the remarks.

    It always shows what a filtered view leaves out.
    """
    data = [data_line(column, table) for column in table.columns]
    return [*data, *(f"note: {remark}" for remark in remarks(table) if remark != str(table.part))]


def remarks(table: LeaderboardTable) -> Iterator[str]:
    """Yield everything else that a reader should know, one sentence each."""
    for column in table.columns:
        if column.uninformative:
            yield (
                f"{column.name} is uninformative: {column.uninformative}; it is neither compared nor included in a "
                f"mean."
            )
        if absent := [row.label for row in table.rows if column.name not in row.cells]:
            yield f"{column.name}: no run of {', '.join(absent)}; costs over different tasks are not comparable."
    if table.glue_tasks is not None and table.glue_tasks < len(GLUE8):
        complete = f"{table.glue_tasks} of GLUE's {len(GLUE8)} tasks"
        yield f"Official, informative data for only {complete}: there is no GLUE score."
    if any("mini" in row.scores for row in table.rows):
        yield "mini is the mean over eight tasks, without mini-wnli; differences are means over all tasks."
    yield from preset_lines(table.presets, set_by_presets(row.identity.name for row in table.rows))
    yield from mixed_environments(table)
    yield from differing_code((run.identity.variant, run.code) for row in table.rows for run in row.runs)
    yield from table.power_lines
    yield from unmatched_costs(table)
    yield from mark_notes(table)
    for row in table.rows:
        if (resources := row.identity.resources) and resources not in row.label:
            yield f"{row.label} used {resources}."
    yield from _teacher_answers(table)
    yield from table.notes
    yield from _further_sets(table.also)
    if table.part is not None:
        yield str(table.part)
    for column in table.columns:
        yield from (f"{column.name}: {notice}" for notice in column.notices)


def _teacher_answers(table: LeaderboardTable) -> Iterator[str]:
    """If the teacher's answers come from a file, state that no cost includes them, and their own cost."""
    answered = [column for column in table.columns if column.teacher_answers]
    if answered:
        files = ", ".join(sorted({column.teacher for column in answered if column.teacher}))
        cost = teacher_cost(table)
        beforehand = f" They cost {cost} beforehand." if cost else ""
        yield f"The teacher's answers come from {files}; FLOPs and times do not include them.{beforehand}"
    if silent := [column.name for column in answered if column.teacher_score is None]:
        yield f"{', '.join(silent)}: the teacher has no score, since its file does not answer all dev rows."


def _further_sets(also: LeaderboardTable | None) -> Iterator[str]:
    """Describe the further sets that students were scored on: rows, source, and what a reader should know."""
    if also is None:
        return
    yield from (data_line(column, also) for column in also.columns)
    yield from also.notes
    for column in also.columns:
        yield from (f"{column.name}: {notice}" for notice in column.notices)


def mixed_environments(table: LeaderboardTable) -> Iterator[str]:
    """Name the rows that were made by different versions of a library, or on processors of different kinds."""
    for name, words in ENVIRONMENT.items():
        rows: dict[str, list[str]] = {}  # value -> labels of the rows that have it
        for row in table.rows:
            for value in environment(row, name):
                rows.setdefault(value, []).append(row.label)
        if len(rows) > 1:
            parts = (f"{value} ({list_rows(rows[value], table)})" for value in sorted(rows))
            yield f"Different {words}: {', '.join(parts)}; this may explain differences between rows."


def unmatched_costs(table: LeaderboardTable) -> Iterator[str]:
    """Name the rows of the reference that are missing for a comparison at equal cost, such as `kd@3x`."""
    from matekd_bench.results.stats.matched_cost import matching_multiple

    factor = FACTOR.search(table.reference or "")
    method, budget = FACTOR.sub("", table.reference or ""), float(factor[1]) if factor else 1.0
    missing: dict[int, list[str]] = {}  # multiple of the budget -> labels of the rows that need it
    for row in table.rows:
        difference, cost = row.overall.difference, row.overall.unmatched
        if row.label in table.family and difference and difference.variance and cost is not None:
            missing.setdefault(matching_multiple(cost * budget), []).append(row.label)
    for multiple, labels in sorted(missing.items()):
        yield f"At equal cost: no row of {method} costs as much as {', '.join(labels)} ({method}@{multiple}x would)."


def several_tables_note(tables: Sequence[LeaderboardTable]) -> str | None:
    """Return the note that several tables are not compared, None for a single table."""
    return "Tables have different protocols and are not compared." if len(tables) > 1 else None


def protocol_lines(leaderboard: LeaderboardTables) -> Iterator[str]:
    """Yield a line for each setting in which the protocols of several tables differ."""
    yield from (f"different: {line}." for line in leaderboard.differences)


def failures(records: Sequence[Record]) -> Iterator[str]:
    """Yield a line with the reason for each failed, diverged or collapsed run, then commands to retry the failed."""
    problem_runs = sorted(
        (run for run in records if run.status in PROBLEMS),
        key=lambda run: (run.status != "failed", run.identity.task, run.identity.variant, run.identity.seed),
    )
    for run in problem_runs:
        run_name = f"{run.identity.variant} on {run.identity.task}, seed {run.identity.seed}"
        yield f"{run.status}: {run_name}: {run.reason or 'no reason recorded'} ({run.run_id})"
    failed = [run for run in problem_runs if run.status == "failed"]
    if failed:
        yield "To retry failed runs (finished runs are kept):"
        yield from sorted({f"  {quoted_command(run.provenance.command)}" for run in failed})
    if len(failed) < len(problem_runs):
        yield "Diverged and collapsed runs keep their scores; a retry would end in the same way."
    if not problem_runs:
        yield "No run failed, diverged or collapsed."
