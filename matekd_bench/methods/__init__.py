"""The parts of a method: record, base classes, parameters, and the types it exchanges with the trainer."""
