"""Nothing is left out: what the code has, the documents name, and what they name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from matekd_bench import Method, Perturbation, Task
from matekd_bench.api import api_page
from matekd_bench.methods.params import describe
from matekd_bench.plugins.host import Host
from matekd_bench.results.records.run_record import Record
from matekd_bench.results.report import columns_page

DOCS = Path(__file__).resolve().parents[2] / "docs"
HOST = Host.load(only_builtin=True)
CODE = re.compile(r"`([^`\n]+)`")


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands below a heading of the second level."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, rules and headings included."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def first_cells(text: str) -> set[str]:
    """Everything in code font in the first cell of a table row."""
    return {name for row in rows(text) for name in CODE.findall(row[0])}


@pytest.mark.parametrize("name", sorted(HOST.methods))
def test_every_method_has_a_card_with_its_parameters(name: str) -> None:
    card = read(f"methods/{name.partition(':')[0]}.md")
    table = rows(card)
    for parameter in describe(HOST.methods[name].record):
        [default] = [row[1] for row in table if f"`{parameter.name}`" in row[0]]
        # "none" means that something else stands in, which the card names
        assert parameter.default == "none" or parameter.default in re.findall(r"[\w.+-]+", default)


@pytest.mark.parametrize("card", sorted(path.name for path in (DOCS / "methods").iterdir()))
def test_every_card_says_the_same_things(card: str) -> None:
    text = read(f"methods/{card}")
    families = {name.partition(":")[0] for name in HOST.methods}
    assert card.removesuffix(".md") in families
    assert text.startswith(f"# {card.removesuffix('.md')}")
    for heading in ("What it does", "Parameters", "Deviations", "Seeds and cost", "Example"):
        assert section(text, heading).strip()
    assert "**Source.** " in text.split("\n## ")[0]
    assert "```" in section(text, "Example")


def test_the_guide_names_everything_by_which_a_method_is_described() -> None:
    """A class describes itself; a record has the same fields and some more."""
    from matekd_bench.methods.method import NEEDS

    fields = set(Method.__dataclass_fields__)
    of_class = {field for field in fields if hasattr(Perturbation, field)}
    table = section(read("method-attributes.md"), "Class attributes")
    assert {name.partition("(")[0] for name in first_cells(table)} == of_class
    record = section(read("method-attributes.md"), "When to yield a record")
    assert first_cells(record) - {"Method"} == fields - of_class
    [needs] = [row[1] for row in rows(table) if row[0] == "`needs`"]
    assert set(CODE.findall(needs)) == NEEDS


def test_the_page_of_columns_is_current() -> None:
    assert read("columns.md") == columns_page.page(), (
        "python -m matekd_bench.results.report.columns_page > docs/columns.md"
    )


def test_every_field_of_a_record_is_explained() -> None:
    text = section(read("results.md"), "Fields of a record")
    assert first_cells(text) == names(Record)
    explained = {name: set(CODE.findall(row[1])) for row in rows(text)[2:] for name in CODE.findall(row[0])}
    explained["compute"] = set(CODE.findall(text))  # in a list of its own
    for name, field in Record.model_fields.items():
        for model in models_in(field.annotation):
            assert names(model) <= explained[name], name


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, such as that of the entries of a tuple."""
    if arguments := get_args(annotation):
        for argument in arguments:
            yield from models_in(argument)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def names(model: type[BaseModel]) -> set[str]:
    """The fields of a model as they are written."""
    return {field.alias or name for name, field in model.model_fields.items()}


def parts(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """The fields of a model, each with the model that it holds, if it does."""
    found: dict[str, type[BaseModel] | None] = {}
    for name, field in model.model_fields.items():
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = [one for one in options if isinstance(one, type) and issubclass(one, BaseModel)]
        found[name] = inner[0] if inner else None
    return found


def test_every_setting_is_explained() -> None:
    from matekd_bench.distill.settings import Budget, Objective, Optimizer
    from matekd_bench.study.spec.study_spec import Execution, StudySpec

    text = section(read("configuration.md"), "Config files")
    named = set(CODE.findall(text))
    settings = {**parts(StudySpec), **parts(Execution)}
    del settings["set_by_user"]  # derived from the others
    for table, model in settings.items():
        inside = parts(model) if model not in (None, Budget) and model is not None else {}
        assert {f"{table}.{name}" for name in inside if inside[name] is not Objective} <= named, table
        assert inside or table in named
    for name in Objective.model_fields:
        assert {f"training.objective.{name}", f".{name}"} & named
    assert {*Optimizer.model_fields, *Budget.model_fields} <= named


def test_every_preset_is_explained() -> None:
    from matekd_bench.study.spec.presets import preset_names

    assert first_cells(section(read("configuration.md"), "Presets")) == set(preset_names())


def test_every_tracker_is_explained() -> None:
    assert set(HOST.trackers) <= first_cells(read("trackers.md"))


def test_every_key_of_an_own_task_is_explained() -> None:
    from matekd_bench.tasks.own.own_task import OwnTask

    named = set(CODE.findall(read("own-data.md"))) | set(re.findall(r"^(\w+) = ", read("own-data.md"), re.M))
    assert set(OwnTask.model_fields) <= named


def test_the_page_of_public_names_is_current_and_has_all_of_them() -> None:
    import matekd_bench

    assert read("api.md") == api_page.page(), "python -m matekd_bench.api.api_page > docs/api.md"
    shown = {name for names in api_page.SECTIONS.values() for name in names.split()}
    assert shown | api_page.NOT_SHOWN == set(matekd_bench.__all__)


def test_every_page_is_in_the_navigation() -> None:
    listed = set(
        re.findall(r"([\w/-]+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    )
    assert listed == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


READ = [found.record for found in HOST.tasks.values() if found.record.reader is None]
FURTHER = [task for task in READ if task.train is None and task.name != "ax"]


@pytest.mark.parametrize("task", FURTHER, ids=lambda task: task.name)
def test_the_table_of_further_sets_is_true(task: Task) -> None:
    table = rows(section(read("further-sets.md"), "Sets that come with the suite"))
    [row] = [row for row in table if row[0] == f"`{task.name}`"]
    place = task.splits["dev"]
    hub = "yes" if task.hub_id else "no"
    assert (row[1], *row[3:]) == (
        f"`{task.evaluated_with}`",
        f"`{task.folder}/{place.file}`",
        str(place.rows),
        hub,
    )


@pytest.mark.parametrize("task", [task for task in READ if task not in FURTHER], ids=lambda task: task.name)
def test_the_layout_of_the_glue_folder_is_that_of_the_tasks(task: Task) -> None:
    [row] = [row for row in rows(section(read("data.md"), "A GLUE folder")) if row[0] == f"`{task.name}`"]
    assert row[1] == f"`{task.folder}`"
    assert set(CODE.findall(row[3])) == {task.splits[name].file for name in task.dev}
    assert set(CODE.findall(row[2])) == ({task.splits[task.train].file} if task.train else set())
    columns = task.columns_of(task.splits[task.dev[0]]).values()
    assert all(column in row[4] for column in columns)
