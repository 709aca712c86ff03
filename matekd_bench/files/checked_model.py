"""The base class of settings and parameters: frozen models that refuse unknown names, infinity and NaN."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class CheckedModel(BaseModel):
    """A frozen pydantic model that refuses unknown names and numbers that are not finite.

    The docstring under a field becomes its description.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _drop_sign_of_zero(cls, value: Any) -> Any:
        """Turn -0.0 into 0.0: they are the same value and must give the same identity."""
        return value + 0.0 if isinstance(value, float) else value
