"""Single tools around a study: preview, reproduce, predict, submission, compare, doctor and prepare."""
