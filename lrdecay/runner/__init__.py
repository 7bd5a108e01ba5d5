"""An entire sweep: what is pending, trained round after round, committed."""

from lrdecay.runner.coordinator import run_sweep
from lrdecay.runner.loop import Progress
from lrdecay.runner.options import SweepOptions
from lrdecay.runner.script_loop import trials
from lrdecay.runner.sharding import Shard
from lrdecay.runner.summary import Summary

__all__ = ["Progress", "Shard", "Summary", "SweepOptions", "run_sweep", "trials"]
