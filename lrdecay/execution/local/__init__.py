"""Workers that are processes of this machine."""

from lrdecay.execution.local.executor import Local as Local
