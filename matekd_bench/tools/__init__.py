"""Tools for use before and after a study: preview, reproduce, predict, submission, compare, doctor, prepare."""
