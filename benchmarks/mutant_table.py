"""The mistakes that `mutants.py` plants, each with the test that must catch it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One mistake: `old` becomes `new` in the one source file that holds it.

    White space in `old` stands for any white space. The tests are those that `only` (an expression of `pytest -k`)
    selects in the test file called `file`.
    """

    name: str
    breaks: str
    old: str
    new: str
    file: str
    only: str


# fmt: off
MUTANTS = (
    # Objective and training
    Mutant(
        "soft-weight", "The study's weight of the divergence is ignored.",
        "self._objective.soft * view.soft *", "view.soft *",
        "test_trainer_losses.py", "kd_is_its_definition",
    ),
    Mutant(
        "gold-share", "Gold labels get half of the loss instead of a third.",
        "gold: float = Field(default=1 / 3", "gold: float = Field(default=1 / 2",
        "test_settings.py", "spends_a_third_on_gold",
    ),
    Mutant(
        "kl-temperature", "The divergence loses its factor of the squared temperature.",
        ".sum(dim=-1) * temperature**2", ".sum(dim=-1)",
        "test_loss.py", "tau_squared",
    ),
    Mutant(
        "data-order-epoch", "Every epoch has the batches of the first one.",
        "seed_of(*self._key, epoch)", "seed_of(*self._key)",
        "test_batches.py", "seed_task_purpose_and_epoch",
    ),
    Mutant(
        "dropout-update", "Every update draws the dropout masks of the first one.",
        "batch.phase, batch.update, batch.offset, number)", "batch.phase, batch.offset, number)",
        "test_forward_passes.py", "masks_depend_on_update",
    ),
    Mutant(
        "text-noise-segment", "Both segments of a pair are perturbed with the same random numbers.",
        'f"text/{variant}/{index}"', 'f"text/{variant}"',
        "test_perturbation.py", "every_segment_draws",
    ),
    Mutant(
        "gradient-clipping", "The gradient's norm is measured and never bounded.",
        "math.inf if clip is None else clip", "math.inf",
        "test_optimizer.py", "gradient_is_clipped",
    ),
    Mutant(
        "accumulation", "Each piece of a batch counts as much as a whole batch.",
        "if loss.requires_grad: self._context.loss_scale.backward(loss.sum() / piece.total)",
        "if loss.requires_grad:\n    self._context.loss_scale.backward(loss.mean())",
        "test_trainer_losses.py", "in_whatever_piece",
    ),
    Mutant(
        "rate-schedule", "The learning rate stays at its peak after the warm-up.",
        "max(0.0, (1.0 - progress) / (1.0 - rising)) if", "1.0 if",
        "test_settings.py", "rises_over_the_warm_up",
    ),
    Mutant(
        "resume-optimizer", "A resumed run starts with fresh moments of Adam.",
        "optimizer.load_state_dict(saved)", "pass",
        "test_resume.py", "goes_on_to_the_same_bits and kd",
    ),
    Mutant(
        "resume-data-order", "A resumed run starts its data again from the first batch.",
        "self._budget), finished, None)", "self._budget), 0, None)",
        "test_resume.py", "goes_on_to_the_same_bits and kd",
    ),
    # Methods
    Mutant(
        "generator-sign", "MATE-KD's generator makes teacher and student agree.",
        "learn(-divergence)", "learn(divergence)",
        "test_matekd.py", "generators_step_climbs",
    ),
    Mutant(
        "mask-special", "Special tokens and padding are masked too.",
        'draw(batch, "mask") < rate) & ~batch.special', 'draw(batch, "mask") < rate)',
        "test_masking.py", "each_ordinary_token",
    ),
    Mutant(
        "straight-through", "The generator's step sees soft embeddings instead of those of drawn tokens.",
        "ctx.dtype = soft.dtype return weight[ids]", "ctx.dtype = soft.dtype\nreturn soft @ weight",
        "test_matekd.py", "look_up_is_exact",
    ),
    Mutant(
        "eda-count", "EDA rounds its number of edits instead of cutting it off.",
        "max(1, int(alpha * len(words)))", "max(1, round(alpha * len(words)))",
        "test_eda_operations.py", "number_of_edits",
    ),
    Mutant(
        "freelb-start", "FreeLB's first perturbation is divided by the size itself, not by its root.",
        "tokens.sqrt().view(", "tokens.view(",
        "test_freelb.py", "over_the_root_of_three",
    ),
    # Data and metrics
    Mutant(
        "label-names", "Class ids of a data set on the Hub are taken by number, not by name.",
        "names is None or value is None else names[value]",
        "names is None or value is None else (labels or names)[value]",
        "test_hub.py", "mapped_by_name",
    ),
    Mutant(
        "constant-scores", "A regression that answers one value for every row is not flagged as collapsed.",
        "return _centered(predictions) is None", "return _constant(predictions)",
        "test_metrics.py", "constant_regression",
    ),
    Mutant(
        "mnli-one-task", "MNLI's two dev sets count by their sizes instead of half each.",
        "np.mean([split.score for split in splits])",
        "np.average([split.score for split in splits], weights=[split.n for split in splits])",
        "test_metrics.py", "mnli_is_the_mean",
    ),
    # Statistics
    Mutant(
        "holm-order", "Holm's correction goes through the p values in the order of the rows.",
        "sorted((p, i) for i, p in enumerate(p_values)", "list((p, i) for i, p in enumerate(p_values)",
        "test_verdicts.py", "test_holm",
    ),
    Mutant(
        "satterthwaite", "Degrees of freedom are summed from shares that are not squared.",
        "(part.value / noise.value) ** 2 / part.df", "(part.value / noise.value) / part.df",
        "test_intervals.py", "satterthwaites_degrees",
    ),
    Mutant(
        "variance-ddof", "Standard deviations and t intervals divide by n instead of n - 1.",
        "math.fsum(deviations) ** 2 / n) / (n - 1)", "math.fsum(deviations) ** 2 / n) / n",
        "test_intervals.py", "interval_of_a_cell",
    ),
    Mutant(
        "interaction-twice", "The interaction of seeds and examples counts in both variances.",
        "return self.examples - self.interaction", "return self.examples",
        "test_example_scores.py", "two_way_analysis",
    ),
    Mutant(
        "unpaired", "Rows are compared without their seeds in pairs.",
        "for a, b in zip(own.of_seeds(seeds), other.of_seeds(seeds), strict=True)",
        "for a, b in zip(own.of_seeds(seeds), other.of_seeds(sorted(seeds)[::-1]), strict=True)",
        "test_example_scores.py", "cancels",
    ),
    Mutant(
        "partly-collapsed", "A row of which a part collapsed gets an interval.",
        "if any(0 < count < len(seeds) for count in counts):", "if False:",
        "test_differences.py", "claims_nothing",
    ),
    Mutant(
        "xfit-ties", "Of equal looks the earlier is chosen.",
        "scores.shape[1] - 1 - np.argmax(scores[:, ::-1], axis=1)", "np.argmax(scores, axis=1)",
        "test_early_stopping.py", "ties_go_to_the_later",
    ),
    Mutant(
        "mcnemar-sides", "McNemar's test has one side.",
        "2 * float(bdtr(", "float(bdtr(",
        "test_compare.py", "mcnemar",
    ),
    Mutant(
        "matched-cost", "A method meets the costliest row of the reference instead of the cheapest that cost as much.",
        "min(candidates)[1] if candidates", "max(candidates)[1] if candidates",
        "test_matched_cost.py", "cheapest_that_cost_as_much",
    ),
    # Records and checkpoints
    Mutant(
        "run-lock", "A run is taken without its lock, so that two processes train it.",
        "self._lock.acquire(timeout=0)", "pass",
        "test_under_way.py", "given_back_can_be_taken",
    ),
    Mutant(
        "fsync", "A new file is not on the disk when its folder gets its name.",
        "file.flush() os.fsync(file.fileno())", "file.flush()",
        "test_results_store.py", "on_the_disk_before",
    ),
    Mutant(
        "rename-before-seal", "A checkpoint gets its name before it is whole.",
        "seal(temporary) delete(target) temporary.rename(target)",
        "delete(target)\ntemporary.rename(target)\nseal(target)",
        "test_under_way.py", "on_the_disk_before",
    ),
    Mutant(
        "manifest", "A damaged checkpoint counts as whole.",
        "_digest_of_regular(folder / Path(name).name) == digest for", "(folder / Path(name).name).exists() for",
        "test_under_way.py", "damaged_checkpoint_is_none",
    ),
    Mutant(
        "newest-first", "A run resumes from its oldest checkpoint, and the newest are deleted.",
        "sorted(folders, reverse=True)", "sorted(folders)",
        "test_under_way.py", "newest_first",
    ),
    Mutant(
        "record-overwritten", "A second result of a run replaces the first.",
        "if self.has(new.run_id):", "if False:",
        "test_results_store.py", "never_replaced",
    ),
    Mutant(
        "failed-is-done", "A failed run counts as done and is not tried again.",
        'return record.status != "failed"', "return True",
        "test_results_store.py", "failed_run_is_not_done",
    ),
    Mutant(
        "unknown-field", "A record with a field that nobody knows is read without a word.",
        'frozen=True, extra="forbid", allow_inf_nan=False', 'frozen=True, extra="ignore", allow_inf_nan=False',
        "test_run_record.py", "damage_is_named",
    ),
    Mutant(
        "link-followed", "A record that is a link to another file is read.",
        "status = os.lstat(path)", "status = os.stat(path)",
        "test_results_store.py", "only_regular_files",
    ),
    # What is shown
    Mutant(
        "terminal-escape", "Texts of a record keep the signs that steer a terminal.",
        r'char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"', "char",
        "test_export.py", "formulas_are_defused",
    ),
    Mutant(
        "html-escape", "Names become markup on the web page.",
        "autoescape=True", "autoescape=False",
        "test_html.py", "cannot_become_markup",
    ),
    Mutant(
        "latex-escape", "An ampersand in a name ends the cell of a LaTeX table.",
        r'"&": r"\&",', '"&": "&",',
        "test_latex.py", "test_escapes",
    ),
    Mutant(
        "csv-formula", "A spreadsheet runs names as formulas.",
        "return f\"'{text}\" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text", "return text",
        "test_export.py", "formulas_in_method_names",
    ),
    # Studies
    Mutant(
        "tuning-ties", "Of equal trials the later is chosen, so that settings change without a gain.",
        "(outcome.score, -outcome.trial)", "(outcome.score, outcome.trial)",
        "test_tuning.py", "first_of_equal_trials",
    ),
    Mutant(
        "tuned-elsewhere", "Another process trains a tuned run with the settings before tuning.",
        "return replace(cell, job=job, resources=named_resources(job), tuning=tuning)",
        "return replace(cell, tuning=tuning)",
        "test_worker.py", "settings_of_its_order",
    ),
    Mutant(
        "lost-run", "A run whose worker died gets no record.",
        'self._store.write(record, study=self._grid.spec.model_dump(mode="json"))', "pass",
        "test_scheduler.py", "lost_run_is_recorded",
    ),
    Mutant(
        "held-run", "A run that another process holds is never tried again.",
        "self._queue.put_back(item)", "self._queue.complete(item.id)",
        "test_scheduler.py", "held_run",
    ),
    Mutant(
        "forgotten-task", "What the runs of a task share is dropped while some of them are under way.",
        "not self._queue.needs(task) and all(item.task != task for item in self._items.values())",
        "not self._queue.needs(task)",
        "test_scheduler.py", "starts_and_ends_once",
    ),
    Mutant(
        "run-of-an-event", "Events of a worker do not tell which run they are about.",
        "return event if event.run_id else replace(event, run_id=self.run_id)", "return event",
        "test_worker.py", "orders_reach_a_worker",
    ),
    Mutant(
        "shard-cut", "A large task is never cut, so that one machine trains all of it.",
        "shard, load, setup = shard + 1, 0.0,", "shard, load, setup = shard, 0.0,",
        "test_shards.py", "large_task_is_cut",
    ),
    Mutant(
        "run-id-precision", "Runs in float32 and in bf16 share an id, so that one stands in for the other.",
        '"precision": recipe.precision, "device": recipe.device.type, "threads"',
        '"device": recipe.device.type, "threads"',
        "test_identity.py", "determines_a_result",
    ),
    Mutant(
        "offline-guard", "With --offline other machines are asked all the same.",
        "sys.addaudithook(_refuse_remote)", "pass",
        "test_offline.py", "this_machine_may_be_asked",
    ),
    Mutant(
        "duplicate-names", "Of two plugins that claim a name the first gets it.",
        "first for first, *others in claims.values() if not others", "first for first, *_ in claims.values()",
        "test_host.py", "one_name_from_two_packages",
    ),
)
# fmt: on
