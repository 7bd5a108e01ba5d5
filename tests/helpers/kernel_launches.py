"""Kernels in Triton that are noted instead of launched: what they are given, and as what built."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

from lrdecay.engine.stacked.kernels import (
    adam,
    conv_forward,
    conv_inputs,
    conv_weights,
    dropout,
    sgd,
)

MODULES = (adam, conv_forward, conv_inputs, conv_weights, dropout, sgd)
READ_AND_WRITTEN = {"adam_kernel": {"p", "average", "square"}, "sgd_kernel": {"p", "buffer"}}
"""Arguments that a kernel changes; it reads or writes each of the others."""

_POINTERS = {"torch.float32": "*fp32", "torch.uint8": "*u8"}
_POINTERS |= {"torch.int32": "*i32", "torch.int64": "*i64"}
_ALIGNED = [["tt.divisibility", 16]]
_CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


@dataclass(frozen=True)
class Launch:
    """One launch of a kernel: its arguments by name, and how it is to be compiled."""

    kernel: Any
    grid: tuple[int, ...]
    given: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.kernel.__name__

    @property
    def bytes(self) -> int:
        """What it reads and writes, each number once."""
        twice = READ_AND_WRITTEN.get(self.name, ())
        return sum(
            min(value.nbytes, value.untyped_storage().nbytes()) * (1 + (name in twice))
            for name, value in self.given.items()
            if isinstance(value, Tensor)
        )

    def build(self, capability: int) -> CompiledKernel:
        """Compile it for a GPU of this capability, as a launch there would; this takes none."""
        signature, constants, aligned = {}, {}, {}
        for index, parameter in enumerate(self.kernel.params):
            name, value = parameter.name, self.given[parameter.name]
            if isinstance(value, Tensor):
                signature[name] = _POINTERS[str(value.dtype)]
                aligned[(index,)] = _ALIGNED
            elif parameter.is_constexpr or value is None or value == 1:
                signature[name], constants[name] = "constexpr", value
            else:
                signature[name] = "i32"
                if value % 16 == 0:
                    aligned[(index,)] = _ALIGNED
        source = ASTSource(self.kernel, signature, constants, aligned)
        target = GPUTarget("cuda", capability, 32)
        return triton.compile(source, target=target, options=dict(self.options))


class _Noted:
    """Stands in for a kernel."""

    def __init__(self, kernel: Any, launches: list[Launch]) -> None:
        self._kernel, self._launches = kernel, launches

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def launch(*positional: Any, **named: Any) -> None:
            names = self._kernel.arg_names
            given = dict(zip(names, positional, strict=False)) | named
            options = {name: given.pop(name) for name in given.keys() - set(names)}
            self._launches.append(Launch(self._kernel, grid, given, options))

        return launch


def note_launches(monkeypatch: pytest.MonkeyPatch) -> list[Launch]:
    """Return the list to which each launch is added from now on; nothing is computed."""
    launches: list[Launch] = []
    for module in MODULES:
        for name in [name for name in vars(module) if name.endswith("_kernel")]:
            monkeypatch.setattr(module, name, _Noted(getattr(module, name), launches))
    return launches


def read_usage(built: CompiledKernel, folder: Path) -> dict[str, int]:
    """Return what one thread takes: registers (REG), and bytes of memory for what they cannot hold
    (STACK, LOCAL)."""
    path = folder / "kernel.cubin"
    path.write_bytes(built.asm["cubin"])
    command = [_CUOBJDUMP, "--dump-resource-usage", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in text.splitlines() if "REG:" in line]
    pairs = (word.split(":") for word in line.split() if word.count(":") == 1)
    return {name: int(value) for name, value in pairs if value.isdigit()}
