"""`bench/gpu_traffic.py`, which counts what a step would have a GPU do."""

import importlib.util
import sys

from helpers.paths import HOME

_SPEC = importlib.util.spec_from_file_location("gpu_traffic", HOME / "bench" / "gpu_traffic.py")
assert _SPEC is not None
assert _SPEC.loader is not None
_module = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _module  # where its dataclasses look
_SPEC.loader.exec_module(_module)

Counts = _module.Counts
Traffic = _module.Traffic
count_step = _module.count_step
