"""Where runs train, and what is said where a GPU is there that torch cannot use."""

import pytest
import torch

from lrdecay.cli.train import train_and_print
from lrdecay.core.errors import InputError
from lrdecay.engine import devices, driver
from lrdecay.execution.local.executor import Local
from lrdecay.runner.coordinator import run_sweep
from lrdecay.sweep.reading import parse_sweep

OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (dvs-builder)\n"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Thu Oct 19 18:56:32 UTC 2023\n"
GCC = "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n"
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version {}). Please update your GPU driver "
    "by downloading and installing a new version from the URL: http://www.nvidia.com/Download"
)
NO_DRIVER = "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and"
NO_GPUS = "No CUDA GPUs are available"
TORCH = torch.__version__


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without a GPU that torch can use; a test says more of it."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(driver, "_VERSION_FILE", tmp_path / "version")

    def describe(said: str, version: str | None = None, form: str = CLOSED) -> None:
        if version is not None:
            (tmp_path / "version").write_text(form.format(version) + GCC)

        def init() -> None:
            raise RuntimeError(said)

        monkeypatch.setattr(torch.cuda, "init", init)

    describe(NO_DRIVER)
    return describe


AND_INSTALL = "install driver 580 or newer, or a torch for an older CUDA (pytorch.org/get-started)"
GIVE = "give this process the GPU, as `docker run --gpus all` does"
UNUSABLE = f"torch {TORCH}, for CUDA 13.2, cannot use the GPU of this machine, which has the NVIDIA"
CASES = {
    "too old": (
        (TOO_OLD.format(12020), "535.129.03", CLOSED),
        f"the NVIDIA driver 535.129.03 is too old and runs CUDA 12.2, and torch {TORCH} needs "
        f"CUDA 13.2; {AND_INSTALL}",
    ),
    "too old, and no file says which it is": (
        (TOO_OLD.format(11040), None, CLOSED),
        f"the NVIDIA driver is too old and runs CUDA 11.4, and torch {TORCH} needs CUDA 13.2; "
        f"{AND_INSTALL}",
    ),
    "too old, which torch does not say": (
        (NO_GPUS, "470.82", OPEN),
        f"the NVIDIA driver 470.82 is too old, and torch {TORCH} needs CUDA 13.2; {AND_INSTALL}",
    ),
    "a container without its GPU": (
        (NO_DRIVER, "580.65.06", OPEN),
        f"{UNUSABLE} driver 580.65.06 (Found no NVIDIA driver on your system); {GIVE}",
    ),
    "no GPU for this process": (
        (NO_GPUS, "590.10", OPEN),
        f"{UNUSABLE} driver 590.10 ({NO_GPUS}); {GIVE}",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_gpu_that_cannot_be_used_is_said_with_what_would_help(machine, case):
    given, why = CASES[case]
    machine(*given)
    assert devices.find_device("auto").type == "cpu"
    assert devices.explain_choice("auto") == (f"training on the CPU: {why}",)
    with pytest.raises(InputError) as raised:
        devices.find_device("cuda")
    assert str(raised.value) == f"--device cuda: {why}"
    # whoever asks for the CPU knows
    assert devices.find_device("cpu").type == "cpu"
    assert devices.explain_choice("cpu") == ()


def test_a_torch_without_cuda_is_said_too(machine, monkeypatch):
    machine("Torch not compiled with CUDA enabled", "580.65.06")
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch, "__version__", "2.15.0+cpu")
    assert driver.explain_unused_gpu() == (
        "torch 2.15.0+cpu is built without CUDA, and this machine has the NVIDIA driver 580.65.06; "
        "install a torch with CUDA (pytorch.org/get-started)"
    )


def test_a_cuda_that_is_newer_than_this_table_needs_a_newer_driver(machine, monkeypatch):
    machine(TOO_OLD.format(13020), "580.65.06")
    monkeypatch.setattr(torch.version, "cuda", "14.0")
    assert "needs CUDA 14.0; install a newer driver, or a torch" in driver.explain_unused_gpu()


@pytest.mark.parametrize("hidden", [None, "", "-1", "NoDevFiles"])
def test_where_no_gpu_is_to_be_expected_nothing_is_said(machine, monkeypatch, hidden):
    if hidden is not None:  # there is one, and the user, or Slurm, hides it
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        machine(NO_GPUS, "580.65.06")
    assert driver.explain_unused_gpu() is None
    assert devices.explain_choice("auto") == ()
    with pytest.raises(InputError, match=r"^--device cuda: torch finds no GPU here; use cpu"):
        devices.find_device("cuda")


def test_a_gpu_that_can_be_used_is_no_matter(machine, monkeypatch):
    machine(NO_GPUS, "580.65.06")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert driver.explain_unused_gpu() is None
    assert devices.find_device("auto").type == "cuda"


def test_what_torch_warns_of_is_said_once_and_by_us(machine, monkeypatch):
    def is_available() -> bool:
        import warnings

        warnings.warn("CUDA initialization: The NVIDIA driver on your system", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    machine(TOO_OLD.format(12020), "535.129.03")
    assert devices.find_device("auto").type == "cpu"
    assert len(devices.explain_choice("auto")) == 1


SWEEP = "name: small\ndataset: digits\nepochs: 1\nschedulers: {c: {class: constant}}\n"


class Watch:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def start(self, runs, done, workers) -> None: ...

    def grow(self, runs) -> None: ...

    def epoch(self, done) -> None: ...

    def finished(self, record) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(("device", "count"), [("auto", 1), ("cpu", 0)])
def test_a_sweep_and_a_single_run_say_so_once(machine, tmp_path, capsys, device, count):
    given, why = CASES["too old"]
    machine(*given)
    assert len(Local(device).site().notes) == count
    watch = Watch()
    run_sweep(parse_sweep(SWEEP), tmp_path, workers=0, device=device, progress=watch)
    assert watch.notes.count(f"training on the CPU: {why}") == count
    assert train_and_print(parse_sweep(SWEEP), None, device)
    said = " ".join(capsys.readouterr().out.split())
    assert said.count(f"training on the CPU: {why}") == count
