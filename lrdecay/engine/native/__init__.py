"""Runs of the tutorial's network on a CPU, by a kernel in C++ (`kernel/`): one run, one thread.

`library` loads the kernel, `weights` says where it has each parameter, `network` is one run in it,
`train` is the engine, and `coverage` says which runs it is for.
"""

NAME = "native"
