"""``matekd-bench predict``, ``submit`` and ``student``: use the students that runs kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from matekd_bench.cli.options import GlueDir, Json, NoPlugins, PluginFiles, Run, RunArgument, Teacher
from matekd_bench.cli.ui.console import load_host
from matekd_bench.cli.ui.leaderboards import ResultsFolders, find_one_run, find_runs, load_results
from matekd_bench.errors import UsageError
from matekd_bench.spelling import counted

if TYPE_CHECKING:
    from matekd_bench.tools.class_report import ClassReport
    from matekd_bench.tools.deployment.card_facts import CardFacts
    from matekd_bench.tools.deployment.serving_costs import ServingCosts
    from matekd_bench.tools.predict import StudentAnswers


Runs = Annotated[
    list[str],
    RunArgument(metavar="RUN...", help="Run ids, starts of run ids, or runs' folders."),
]


def predict(
    run: Run,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="NAME",
            help="The task to answer. Default: the run's own; runs of mnli can also answer ax.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="NAME", help="The split to answer. Default: the task's test split."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="FILE", help="Your own texts: .tsv, .csv or .jsonl, with the task's columns."
        ),
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help="Encoding of --file, e.g. cp1252 or latin-1.")
    ] = "utf-8",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="A .tsv, .csv or .jsonl file; default: TSV on screen."
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Print scores by class and the confusion matrix; write predictions only to --output.",
        ),
    ] = False,
    results: ResultsFolders = None,
    glue_dir: GlueDir = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.")] = "auto",
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Print the predictions of the kept student of a run: a row for each example, with probabilities.

    If the rows have labels, the score goes to stderr. With `--file`, the file's other columns are copied to the output.
    """
    from matekd_bench.files.reading import text_encoding
    from matekd_bench.files.safe_names import check_folder_of
    from matekd_bench.files.user_tables import EXTENSIONS, other_cells, read_lines, texts_of
    from matekd_bench.plugins.known_names import known_tasks
    from matekd_bench.tools.class_report import check_reportable, class_report
    from matekd_bench.tools.predict import (
        StudentPredictor,
        as_text,
        check_carried,
        read_split,
        score_of,
        task_to_predict,
    )

    for option, given in (("--split", split is not None), ("--report", report)):
        if file is not None and given:
            raise UsageError(f"--file and {option} contradict each other: remove one of them.")
    if output is not None:
        if output.suffix.lower() not in EXTENSIONS:
            raise UsageError(f"'{output}': predictions can only be written to {', '.join(EXTENSIONS)} files.")
        check_folder_of(output, "--output")
    host = load_host(plugin, no_plugins)
    record, home, tasks = find_one_run(host, run, results)
    predicted_task = task_to_predict(record, task and known_tasks(task, host), tasks)
    texts, carried = None, None
    if file is not None:
        lines = read_lines(file, text_encoding(encoding))
        texts = texts_of(lines, predicted_task.fields, file)
        carried = other_cells(lines, predicted_task.fields, file)
        check_carried({name for cells in carried for name in cells}, predicted_task, file)
    student = StudentPredictor(record, home, device)  # loads a model, so the file is checked first
    if texts is not None:
        answers = student.answer(texts)
    else:
        examples = read_split(predicted_task, split, record, glue_dir)
        if report:
            check_reportable(predicted_task, examples)
        answers = student.answer(examples.texts)
        if (scores := score_of(predicted_task, examples, answers)) is not None:
            metrics = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
            rows = counted(len(examples), "row")
            print(f"{predicted_task.name} {examples.split}, {rows}: {metrics}", file=sys.stderr)
    if report:
        _print_report(class_report(predicted_task, examples, answers))
    if output is not None or not report:
        text = as_text(answers, output.suffix.lower() if output else ".tsv", carried or ())
        _write(answers, output, text)


def _print_report(report: ClassReport) -> None:
    """Print a table of the classes, and the confusion matrix with a row for each gold class."""
    from matekd_bench.cli.ui.console import print_table
    from matekd_bench.files.printable import one_line

    labels = [one_line(scores.label) for scores in report.classes]
    rows = [
        (label, f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}", str(one.support))
        for label, one in zip(labels, report.classes, strict=True)
    ]
    print_table(("label", "precision", "recall", "F1", "support"), rows)
    typer.echo("\nrows by gold label (down) and predicted label (across)")
    counts = zip(labels, report.confusion, strict=True)
    print_table(("", *labels), [(label, *map(str, row)) for label, row in counts])


def _write(answers: StudentAnswers, output: Path | None, text: str) -> None:
    """Write the answers to a file, or print them if there is none."""
    if output is None:
        typer.echo(text, nl=False)
        return
    from matekd_bench.files.safe_names import write_atomically

    write_atomically(output, text.encode())
    typer.echo(f"wrote {counted(len(answers.logits), 'prediction')} to {output}")


def submit(
    output: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The zip to write.")],
    method: Annotated[
        str,
        typer.Option(
            "--method", metavar="NAME", help="A method as in the leaderboard, e.g. 'matekd' or 'kd@2x'."
        ),
    ],
    seed: Annotated[int, typer.Option("--seed", metavar="K", min=0, help="The seed of the runs.")] = 0,
    results: ResultsFolders = None,
    glue_dir: GlueDir = None,
    device: Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.")] = "auto",
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Write the test predictions of a method's nine students in the format of the GLUE server.

    Every task needs a run on the official, complete data whose student was kept (`--keep last`).
    """
    loaded = load_results(load_host(plugin, no_plugins), results)
    runs = loaded.submit(output, method, seed=seed, device=device, glue_dir=glue_dir)
    for file, run_id in runs.items():
        typer.echo(f"{file}: from {run_id}")
    typer.echo(f"wrote {output}, ready for the GLUE server")


def student(
    runs: Runs,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Write the student to this new folder.")
    ] = None,
    onnx: Annotated[
        bool,
        typer.Option("--onnx", help="With --to: also export to ONNX, and compare with the recorded logits."),
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Print size and time per text of teachers and students.")
    ] = False,
    results: ResultsFolders = None,
    glue_dir: GlueDir = None,
    teacher: Teacher = None,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="For --cost: cpu, cuda, cuda:1, mps.")
    ] = "auto",
    plugin: PluginFiles = None,
    no_plugins: NoPlugins = False,
    json: Json = False,
) -> None:
    """Write the kept student of a run to a folder for deployment, or measure the costs of students in use.

    The folder holds safetensors weights, the tokenizer and a model card, and with --onnx also a model for onnxruntime.
    --cost measures answers to dev texts, one at a time and 32 at a time, on this machine. Several runs are measured
    together. A run may be named by the folder that --to wrote: an ONNX model in it is measured too.
    """
    if to is None and not cost:
        raise UsageError("nothing to do: give --to DIR, --cost or both.")
    for option, typed, needed, given in (
        ("--onnx", onnx, "--to DIR", to is not None),
        ("--json", json, "--cost", cost),
        ("--teacher", teacher is not None, "--cost", cost),
    ):
        if typed and not given:
            raise UsageError(f"{option} needs {needed}.")
    if to is not None and len(runs) > 1:
        raise UsageError(f"--to takes one run, not {len(runs)}: {', '.join(runs)}.")
    from matekd_bench.tools.deployment.serving_costs import serving_costs
    from matekd_bench.tools.deployment.student_folder import written_students

    loaded, records = find_runs(load_host(plugin, no_plugins), runs, results)
    if to is not None:
        facts = loaded.save_student(records[0].run_id, to, onnx=onnx, glue_dir=glue_dir)
        print(_written(facts, to), file=sys.stderr if json else sys.stdout)
    if cost:
        folders: list[str | Path] = [*runs, *([] if to is None else [to])]
        written = written_students(folders, loaded.find)
        costs = serving_costs(
            records,
            loaded.stores,
            loaded.tasks,
            device=device,
            glue_dir=glue_dir,
            teacher=teacher,
            written=written,
        )
        _print_costs(costs, json)


def _written(facts: CardFacts, to: Path) -> str:
    """Return a line about the written folder and, for an ONNX model, its agreement."""
    agrees = (
        f"; on {facts.onnx.rows} dev examples model.onnx differs from the recorded logits by at most "
        f"{facts.onnx.recorded:.2g}"
        if facts.onnx
        else ""
    )
    return f"wrote {to}{agrees}"


def _print_costs(costs: ServingCosts, json: bool) -> None:
    """Print the costs as a table or as JSON."""
    from dataclasses import asdict

    from matekd_bench.cli.ui.console import print_json, print_table
    from matekd_bench.files.printable import one_line

    if json:
        print_json(asdict(costs))
        return
    header = ("task", "role", "runtime", "parameters", "MB", "ms/text (1)", "ms/text (32)", "model")
    print_table(
        header,
        [
            (
                row.task, row.role, row.runtime, str(row.parameters), f"{row.megabytes:.1f}",
                *(f"{value:.3g}" for value in row.milliseconds.values()), one_line(row.model),
            )
            for row in costs.rows
        ],
    )  # fmt: skip
    threads = f"{costs.threads} CPU thread{'s' * (costs.threads != 1)}"
    devices = " and ".join(dict.fromkeys(f"{row.device} ({row.runtime})" for row in costs.rows))
    typer.echo(
        f"\nSizes are of weights in float32. Times are for batches of 1 and 32, on {devices} with {threads}."
    )
