"""MATE-KD's student updates with a generator that stays as it was warmed up."""

from __future__ import annotations

from matekd_bench import Context
from matekd_plugins.masking import MaskParams
from matekd_plugins.matekd import MateKDParams
from matekd_plugins.matekd.adversary import MateKD


class FrozenGenerator(MateKD):
    """MATE-KD without updates of its own: the same masks and, until MATE-KD's generator moves, the same text."""

    def __init__(self, params: MaskParams, context: Context) -> None:
        super().__init__(MateKDParams(mask_rate=params.mask_rate, generator_updates=0), context)
        self._generator.module.requires_grad_(False)  # so that the record counts no trainable parameter
