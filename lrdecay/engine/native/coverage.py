"""Which runs the kernel is for."""

from lrdecay.components import registry, schedulers
from lrdecay.components.models import build
from lrdecay.components.models.cnn import CNN
from lrdecay.core.run import Run
from lrdecay.engine.native.library import load_kernel
from lrdecay.engine.native.weights import Shape

_MOST_CHANNELS, _MOST_CLASSES = 3, 100
_LEAST_SIDE, _MOST_SIDE = 4, 64


def find_obstacle(run: Run, shape: tuple[int, int, int], classes: int) -> str | None:
    """Return why the kernel is not for a run on such images, or None where it is.

    Whether a kernel was compiled is another question: see `library.explain_absence`.
    """
    channels, *sides = shape
    if build.find_model(run.model) is not CNN:
        return "its kernel is for the network cnn"
    if run.batch_norm:
        return "its kernel has no batch normalisation"
    if run.augmentation:
        return "its kernel augments no images"
    if run.loss_function != "cross_entropy":
        return f"its kernel has the loss cross_entropy, not {run.loss_function}"
    if run.label_smoothing:
        return "its kernel has no label smoothing"
    if run.clips:
        return "its kernel has no gradient clipping"
    if run.precision != "float32":
        return f"its kernel computes in float32, not in {run.precision}"
    if registry.find_plugin("optimizer", run.optimizer):
        return f"it does not know the optimizer {run.optimizer}"
    if schedulers.list_needs(run.scheduler_class, run.scheduler_arguments):
        return f"the scheduler {run.scheduler} needs more of the training than it gives"
    if channels > _MOST_CHANNELS:
        return f"its kernel is for images of up to {_MOST_CHANNELS} channels, not {channels}"
    if not all(_LEAST_SIDE <= side <= _MOST_SIDE for side in sides):
        return (
            f"its kernel is for images from {_LEAST_SIDE}x{_LEAST_SIDE} to "
            f"{_MOST_SIDE}x{_MOST_SIDE} pixels, not {sides[0]}x{sides[1]}"
        )
    if classes > _MOST_CLASSES:
        return f"its kernel is for up to {_MOST_CLASSES} classes, not {classes}"
    return None


def measure_native_bytes(run: Run, shape: tuple[int, int, int], classes: int) -> int:
    """Return about how much memory a run takes: weights, gradients, what its optimizer keeps of
    each, and the kernel's working memory."""
    sizes = Shape(*shape, classes)
    weights = 4 * (sizes.positions * 32 * 128 + 2**15)
    working: int = load_kernel().count_bytes(*sizes.numbers, run.batch_size)
    return 5 * weights + working
