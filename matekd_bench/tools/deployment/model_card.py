"""Writes the model card of a student: what it is, how to use it, how good it is and how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from matekd_bench.files.hashing import canonical
from matekd_bench.files.printable import one_line
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report.cells import amounts, interval, text
from matekd_bench.results.report.markdown import escape, markdown_table
from matekd_bench.tools.deployment.card_facts import CardFacts, OnnxAgreement, ScoreEvidence
from matekd_bench.tools.deployment.hub_metadata import front_matter, last_scores

Facts: TypeAlias = Mapping[str, object]

TRANSFORMERS = """\
```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
inputs = tokenizer({texts}, truncation=True, padding=True, return_tensors="pt")
print(model(**inputs).logits)
```
"""
ONNX = """\
`model.onnx` gives the same logits in onnxruntime, without torch and matekd-bench:

```python
import onnxruntime
from transformers import AutoTokenizer

session = onnxruntime.InferenceSession("model.onnx")
tokenizer = AutoTokenizer.from_pretrained(".")
inputs = tokenizer({texts}, truncation=True, padding=True, return_tensors="np")
print(session.run(["logits"], {{taken.name: inputs[taken.name] for taken in session.get_inputs()}})[0])
```
"""


def model_card(facts: CardFacts) -> str:
    """Return the text of the model card, with the Hub's metadata at its top."""
    parts = (_title(facts), _use(facts), _scores(facts), _made_of(facts.run), _cost(facts.run))
    ending = (_provenance(facts), _versions(facts.run))
    lines = (line for part in (*parts, *ending) for line in part)
    return front_matter(facts.run, facts.task) + "\n" + "\n".join(lines) + "\n"


def _title(facts: CardFacts) -> Iterator[str]:
    run, task = facts.run, facts.task
    name = f"{task.title}: {task.summary}" if task else run.identity.task
    teacher = run.teacher.id if run.teacher else "(unknown)"
    yield from (f"# {run.run_id}", "")
    yield (
        f"A text classifier for {escape(name)}"
        if run.data.labels
        else f"A regression model for {escape(name)}"
    )
    yield escape(f"matekd-bench trained it with the method {run.identity.variant} and the teacher {teacher}.")
    if run.data.state in ("mini", "partial"):
        yield escape(f"Data: {run.data.state_text}; a score on them is not a score on the official task.")
    yield ""


def _use(facts: CardFacts) -> Iterator[str]:
    labels, task, offset = facts.run.data.labels, facts.task, facts.student.offset
    fields = ", ".join(task.fields) if task else "those of the task"
    answer = f"a logit for each of {', '.join(labels)}, in this order" if labels else "a score"
    yield from ("## Use", "")
    yield escape(
        f"Input: {fields}, truncated to {facts.student.max_length} tokens by the tokenizer. Output: {answer}."
    )
    pairs = task is not None and len(task.fields) == 2
    texts = '["first text"], ["second text"]' if pairs else '["a text"]'
    yield from ("", TRANSFORMERS.format(texts=texts))
    if offset:
        yield f"Add {offset!r} to these answers: the last layer has no bias that could hold the mean of the scores.\n"
    if facts.onnx:
        yield from (ONNX.format(texts=texts), _agreement(facts.onnx), "")


def _agreement(onnx: OnnxAgreement) -> str:
    """Describe how far the ONNX model is from the recorded answers."""
    compared = f"On the {onnx.rows} dev examples its logits differ from the recorded ones by at most "
    if onnx.exact:
        return f"{compared}{onnx.recorded:.2g}."
    return (
        f"{compared}{onnx.recorded:.2g}, because the run was evaluated in bf16; {onnx.changed} examples get a "
        f"different class. The logits differ from those of the student in float32 by at most {onnx.float32:.2g}."
    )


def _scores(facts: CardFacts) -> Iterator[str]:
    evidence, run = facts.evidence, facts.run
    yield from ("## Scores", "", "At the last evaluation, in points.", "")
    rows = [(item.split, item.metric, text(item.value, "fraction"), str(item.n)) for item in last_scores(run)]
    yield from markdown_table([("split", "metric", "value", "examples"), *rows])
    yield from ("", *_how_sure(evidence))
    if run.teacher and run.teacher.task_score is not None:
        yield f"- Its teacher: {text(run.teacher.task_score, 'fraction')}"
    if run.data.majority_score is not None:
        yield f"- The majority class: {text(run.data.majority_score, 'fraction')}"
    yield ""


def _how_sure(evidence: ScoreEvidence) -> Iterator[str]:
    covered = evidence.interval
    noise = f" (95 % interval over dev examples: {interval(covered.low, covered.high)})" if covered else ""
    yield f"- Task score of this student: {text(evidence.score, 'fraction')}{noise}"
    if (seeds := evidence.seeds).n > 1:
        between = (
            f" (95 % interval: {interval(seeds.interval.low, seeds.interval.high)})" if seeds.interval else ""
        )
        yield f"- Mean of {seeds.n} seeds of the method: {text(seeds.mean, 'fraction')}{between}"


def _made_of(run: Record) -> Iterator[str]:
    """Data, models and method, as recorded."""
    identity, data = run.identity, run.data
    yield from ("## How it was trained", "")
    facts: dict[str, object] = {
        "data": f"{identity.task}, {data.state_text}, from {data.source}{_at(data.revision)}",
        "rows": ", ".join(f"{name} {split.n}" for name, split in data.splits.items()),
        "method": f"{identity.variant}, version {identity.method_version}",
        "parameters": canonical(identity.params),
    }
    if run.teacher:
        facts["teacher"] = f"{run.teacher.id}{_at(run.teacher.revision)}, sha256 {run.teacher.sha256}"
    if run.student:
        facts["start of the student"] = f"{run.student.id}{_at(run.student.revision)}"
    facts["training"] = canonical(run.hparams)
    facts["budget"] = f"{run.budget.spent} {run.budget.kind.replace('_', ' ')}"
    facts["seed"], facts["protocol"] = identity.seed, identity.protocol_id
    yield from _table(facts)


def _at(revision: str | None) -> str:
    return f" at {revision}" if revision else ""


def _cost(run: Record) -> Iterator[str]:
    """The cost of training, and of everything that had to be made before."""
    compute, student, teacher = run.compute, run.student, run.teacher
    yield from ("## Cost", "")
    facts: dict[str, object] = {
        "training": f"{_spent(compute.train_flops, compute.train_seconds)} on {compute.device}, {compute.precision}"
    }
    if student:
        facts["size"] = f"{student.parameters} parameters, {megabytes(student.parameters):.1f} MB in float32"
    if compute.precompute_flops:
        facts["preparation"] = _spent(compute.precompute_flops, compute.precompute_seconds)
    if teacher and teacher.fine_tune_flops:
        facts["fine-tuning the teacher"] = _spent(teacher.fine_tune_flops, teacher.fine_tune_seconds)
    beforehand = run.perturber.cost_beforehand if run.perturber else {}
    if beforehand:
        facts["texts, beforehand"] = amounts(beforehand)
    yield from _table(facts)


def _spent(flops: int, seconds: float) -> str:
    return f"{text(flops, 'FLOPs')} PFLOPs, {seconds:.1f} s"


def megabytes(parameters: int) -> float:
    """Return the size of `parameters` weights in float32, in units of 1,000,000 bytes."""
    return parameters * 4 / 1e6


def _provenance(facts: CardFacts) -> Iterator[str]:
    """The command, indented as a code block, which no character of it can end."""
    run = facts.run
    yield from ("## Command", "", f"    {one_line(run.provenance.command)}", "")
    commit = f" at commit {run.provenance.git_commit}" if run.provenance.git_commit else ""
    yield escape(
        f"Recorded {run.provenance.created}{commit}. SHA-256 of the weights: {facts.student.sha256}."
    )
    yield ""


def _versions(run: Record) -> Iterator[str]:
    yield from ("## Versions", "")
    yield from _table(dict(sorted(run.env.items())))


def _table(facts: Facts) -> Iterator[str]:
    yield from markdown_table([("", ""), *((name, str(value)) for name, value in facts.items())])
    yield ""
