"""Levels: too quiet, too loud, cut off."""

import numpy as np

from services.emotion.engine import Samples


def within(samples: Samples) -> Samples:
    """Turned down where it would pass full scale; untouched otherwise."""
    peak = float(np.abs(samples).max(initial=0.0))
    return samples if peak <= 1 else np.asarray(samples / peak, np.float32)


def gained(samples: Samples, db: float) -> Samples:
    """Louder by `db`, or quieter where that is negative; cut off at full scale, as files are."""
    return np.asarray(samples * 10 ** (db / 20), np.float32).clip(-1, 1)


def clipped(samples: Samples, db: float) -> Samples:
    """Recorded `db` too loud: its peaks are cut off, `db` below the highest."""
    most = float(np.abs(samples).max(initial=0.0)) * 10 ** (-db / 20)
    return np.asarray(samples.clip(-most, most), np.float32)
