"""Builds the parse cache into the wheel, so that an installation that cannot be written to starts fast.

It loads the model with every check on: no wheel is built from a faulty model.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CacheHook(BuildHookInterface):  # type: ignore[misc]
    """Load the shipped model once, which leaves its cache beside it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Check the model and write its cache before the files of the wheel are collected."""
        folder = Path(self.root) / "models" / "leg_weakness"
        shutil.rmtree(folder / ".legdx_cache", ignore_errors=True)
        sys.path.insert(0, str(Path(self.root) / "src"))
        from legdx.loaded import load_model

        load_model(folder)
