"""legdx: a Bayesian network for the differential diagnosis of leg weakness, with a deterministic red-flag override.

>>> import legdx
>>> ranking = legdx.rank({"onset_speed": "acute", "ascending_weakness": True, "reflexes": "reduced_or_absent"})
>>> ranking.urgency
'emergency'
>>> ranking.causes[0].id
'guillain_barre_syndrome'

It supports clinicians and developers; it is no medical device and no substitute for a clinician.
"""

from legdx._api import load_model, rank, rank_frame, red_flags
from legdx.errors import (
    CaseFileError,
    EvidenceError,
    EvidenceShapeError,
    Fault,
    ImpossibleEvidence,
    LegdxError,
    MissingExtraError,
    ModelError,
    ModelFormatError,
    ModelMeaningError,
    UnknownNameError,
)

__all__ = [
    "CaseFileError",
    "EvidenceError",
    "EvidenceShapeError",
    "Fault",
    "ImpossibleEvidence",
    "LegdxError",
    "MissingExtraError",
    "ModelError",
    "ModelFormatError",
    "ModelMeaningError",
    "UnknownNameError",
    "__version__",
    "load_model",
    "rank",
    "rank_frame",
    "red_flags",
]

__version__ = "0.1.0"
