"""A sweep file to start from: the usual comparison, each key explained to who meets it first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from lrdecay.core.errors import InputError
from lrdecay.core.sanitize import sanitize_line
from lrdecay.core.text import suggest_name


@dataclass(frozen=True)
class StarterData:
    """What a dataset is in words, and the settings at which the network learns it well."""

    what: str
    lr: float
    epochs: int
    margin: float


DATASETS = {
    "digits": StarterData("1,797 handwritten digits of 8x8 pixels, no download", 0.01, 15, 0.5),
    "mnist": StarterData("70,000 handwritten digits of 28x28 pixels", 0.001, 10, 0.1),
    "fashion_mnist": StarterData("70,000 pieces of clothing of 28x28 pixels", 0.001, 10, 0.2),
    "kmnist": StarterData("70,000 Japanese characters of 28x28 pixels", 0.001, 10, 0.2),
    "cifar10": StarterData("60,000 colour photos of 32x32 pixels", 0.001, 10, 0.5),
    "cifar100": StarterData("60,000 colour photos of 100 kinds, 32x32 pixels", 0.001, 10, 0.5),
    "svhn": StarterData("99,289 digits of house numbers, in colour, 32x32", 0.001, 10, 0.2),
}
"""Datasets by their names in a sweep file."""

SCHEDULERS = {
    "constant": ("the rate stays as it is: what decay is compared with", "class: constant"),
    "step": ("halved after half of the run", "class: StepLR, step_size: 50%, gamma: 0.5"),
    "multistep": (
        "cut to 30% after half and after three quarters of the run",
        "class: MultiStepLR, milestones: [50%, 75%], gamma: 0.3",
    ),
    "exponential": ("a tenth less after every epoch", "class: ExponentialLR, gamma: 0.9"),
    "polynomial": (
        "down to 0 along a parabola",
        "class: PolynomialLR, total_iters: epochs, power: 2",
    ),
    "cosine": (
        "down to almost 0 along half a wave: slow, fast, slow",
        "class: CosineAnnealingLR, T_max: epochs",
    ),
    "floor": (
        "down to a tenth of the base rate along half a wave",
        "class: CosineToFloorLR, floor: 0.1",
    ),
    "restarts": (
        "down half a wave twice, starting again from the base rate halfway",
        "class: CosineAnnealingWarmRestarts, T_0: 50%",
    ),
    "onecycle": (
        "up to twice the base rate, then down to almost 0",
        "class: OneCycleLR, max_lr: 2 lr, total_steps: steps",
    ),
    "plateau": (
        "halved whenever the validation loss has not improved for two epochs",
        "class: ReduceLROnPlateau, factor: 0.5, patience: 1",
    ),
    "linear": ("down to 0 in a straight line", "class: LinearToZeroLR"),
    "rex": ("down to 0, slowly at first and ever faster", "class: RexLR"),
    "sqrt": (
        "up during a tenth of the run, then down as one over the square root of the time",
        "class: InverseSquareRootLR, warmup_iters: 10%",
    ),
    "wsd": (
        "up during a tenth of the run, stays, and down to 0 in the last fifth",
        "class: WarmupStableDecayLR, warmup_iters: 10%, decay_iters: 20%, shape: 1-sqrt",
    ),
    "warm_cosine": (
        "up during a tenth of the run, then down to almost 0 along half a wave",
        "class: WarmupLR, warmup_iters: 10%,\n    then: {class: CosineAnnealingLR, T_max: epochs}",
    ),
    "warm_plateau": (
        "up during a tenth of the run, then halved whenever the validation loss stalls",
        "class: WarmupLR, warmup_iters: 10%,\n"
        "    then: {class: ReduceLROnPlateau, factor: 0.5, patience: 1}",
    ),
    "greedy": ("up while the training loss falls, down while it does not", "class: GreedyLR"),
}
"""Label -> what the rate does, and how a sweep file says that."""

DEFAULT_SCHEDULERS = ("constant", "step", "cosine", "plateau")


def write_starter(dataset: str, schedulers: Sequence[str], file: str) -> str:
    """Return the text of a sweep file that compares schedulers on a dataset.

    Args:
        dataset: one of `DATASETS`.
        schedulers: some of `SCHEDULERS`; the others are compared with `constant`, else with the
            first.
        file: its name, for the commands that stand in it.

    Raises `InputError` for a name that is unknown or given twice.
    """
    if dataset not in DATASETS:
        raise InputError(f"--dataset: {suggest_name(dataset, DATASETS)}")
    for name in schedulers:
        if name not in SCHEDULERS:
            raise InputError(f"--schedulers: {suggest_name(name, SCHEDULERS, _hint_label(name))}")
        if schedulers.count(name) > 1:
            raise InputError(f"--schedulers: {name} is given {schedulers.count(name)} times")
    return "\n".join(_write_lines(dataset, schedulers, sanitize_line(quote(file)))) + "\n"


def _hint_label(name: str) -> str | None:
    """Return the label of a scheduler that is named by its class."""
    of_class = (
        label for label, (_, spec) in SCHEDULERS.items() if f"{spec},".startswith(f"class: {name},")
    )
    return next((f"did you mean {label}?" for label in of_class), None)


def _write_lines(dataset: str, schedulers: Sequence[str], file: str) -> Iterator[str]:
    data = DATASETS[dataset]
    reference = "constant" if "constant" in schedulers else schedulers[0]
    yield "# Every combination of a scheduler, a dropout rate and a seed below is one run."
    yield f"#   lrdecay plan {file}     says how many that are, and about how long they take"
    yield f"#   lrdecay sweep {file}    trains them; interrupt it whenever you like"
    yield f"#   lrdecay report {file}   writes a page with the answer"
    yield ""
    yield _explain(f"dataset: {dataset}", data.what)
    yield _explain("", "or your own images: {folder: my/images, size: 32}")
    yield _explain("model: cnn", "the network: two convolutions and two linear layers")
    yield "optimizer:"
    yield _explain("  name: Adam", "turns gradients into steps; also AdamW, SGD, RMSprop, Adadelta")
    yield _explain(f"  lr: {data.lr}", "the base rate: every scheduler changes it in its own way")
    yield _explain("batch_size: 64", "images in one step")
    yield _explain(f"epochs: {data.epochs}", "how often a run goes through all training images")
    yield ""
    yield "# What is compared: how the learning rate changes during a run. The labels are yours."
    yield "schedulers:"
    for label in schedulers:
        what, spec = SCHEDULERS[label]
        yield f"  # {what}"
        yield f"  {label}: {{{spec}}}"
    yield ""
    yield _explain("dropout: [0.0, 0.3]", "the share of values switched off at random in training,")
    yield _explain("", "so that the network does not learn the images by heart")
    yield _explain("seeds: 8", "how often all is done again, each time from other random")
    yield _explain("", "weights: one run alone may be luck, and a verdict takes 8")
    yield ""
    yield "# The question, fixed before anything trains."
    yield "comparison:"
    yield _explain(f"  reference: {reference}", "the scheduler that the others are compared with")
    yield _explain("  metric: test_accuracy", "what is compared, after the last epoch")
    yield _explain(f"  margin: {data.margin}", "percentage points: less than this counts as none")


def _explain(line: str, why: str) -> str:
    return f"{line:<25} # {why}"
