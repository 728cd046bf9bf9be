"""Settings that all tests share."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import legdx

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("legdx", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("legdx")


@pytest.fixture(scope="session")
def model() -> legdx.loaded.Model:  # type: ignore[name-defined]
    """The shipped model."""
    return legdx.load_model()
