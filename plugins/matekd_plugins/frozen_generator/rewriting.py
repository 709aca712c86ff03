"""The method `frozen-generator`: MATE-KD's student updates with a generator that is never trained."""

from __future__ import annotations

from matekd_bench import Context
from matekd_plugins.masking import MaskParams
from matekd_plugins.matekd import MateKDParams
from matekd_plugins.matekd.adversary import MateKD


class FrozenGenerator(MateKD):
    """MATE-KD without generator updates.

    It masks the same positions as `matekd`, and writes the same text until `matekd`'s generator is updated.
    """

    def __init__(self, params: MaskParams, context: Context) -> None:
        super().__init__(MateKDParams(mask_rate=params.mask_rate, generator_updates=0), context)
        self._generator.module.requires_grad_(False)  # so that the record counts no trainable parameter
