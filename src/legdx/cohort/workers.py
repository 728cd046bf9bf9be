"""A model on its way to other processes: sent as a few bytes, loaded once in each. Internal."""

from __future__ import annotations

import pickle
from functools import lru_cache

from legdx.errors import Fault, ModelError
from legdx.loaded import Model, load_model

__all__ = ["handle_of", "model_of"]


def handle_of(model: Model | None) -> bytes:
    """What a worker needs to load the model: its path and digest, or for the shipped model the digest alone.

    A model that was made in memory and has no folder is sent whole.
    """
    return pickle.dumps(load_model().digest if model is None else model)


@lru_cache(maxsize=4)
def model_of(handle: bytes) -> Model:
    """The model of a handle, loaded when a process first asks for it.

    >>> model_of(handle_of(None)) is model_of(handle_of(None))
    True

    Raises:
        ModelError: the folder here holds another model.
    """
    sent = pickle.loads(handle)
    if isinstance(sent, Model):
        return sent
    model = load_model()
    if model.digest != sent:
        fault = Fault(
            where="the shipped model",
            problem=f"is {model.digest} on a worker and {sent} where the work was given",
            fix="install the same release of legdx on both",
        )
        raise ModelError([fault])
    return model
