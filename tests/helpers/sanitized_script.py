"""All that the kernel does, over its sizes: for a process that a sanitizer watches.

`python sanitized_script.py LIBRARY do_all VARIANT...` must be clean; a function of `FAULTS` in
place of `do_all` does what must be found.
"""

import sys
from pathlib import Path

import torch
from helpers.kernels import find_kernel_gradients, make_images, make_network, make_run
from torch import Tensor

from lrdecay.components.datasets.dataset import Split
from lrdecay.engine.native import network
from lrdecay.engine.native.network import Network

OPTIMIZERS = (
    "{name: Adam, lr: 0.001}",
    "{name: AdamW, lr: 0.001, weight_decay: 0.1}",
    "{name: SGD, lr: 0.01, momentum: 0.9, nesterov: true}",
)
SHAPES = (
    *(((1, 4, 4), 1), ((1, 8, 8), 10), ((3, 9, 7), 17), ((2, 5, 31), 100), ((1, 28, 29), 16)),
    *(((3, 41, 40), 33), ((1, 4, 64), 16)),
)
BATCHES = (1, 7, 66)


def guard(split: Split) -> Split:
    """Copies with nothing behind them that could be read unnoticed."""
    return Split(split.images.clone(), split.labels.clone())


def train(mine: Network, images: Split, steps: int) -> Tensor:
    order = torch.arange(len(images))
    rates = torch.full((steps,), 0.01, dtype=torch.float64)
    return mine.take_steps(images, order, 0, rates, rates).losses


def do_all(variant: str, path: Path) -> None:
    for shape, classes in SHAPES:
        for place, batch_size in enumerate(BATCHES):
            images = guard(make_images(shape, classes, batch_size + batch_size // 2))
            given = {"dropout": 0.5 * (place % 2), "batch_size": batch_size}
            run = make_run(OPTIMIZERS[place], **given)
            mine = make_network(run, images, classes, variant=variant, path=path)
            assert train(mine, images, -(-len(images) // batch_size)).isfinite().all()
            mine.evaluate(images)
            run = make_run("{name: RMSprop, lr: 0.001}", **given)
            mine = make_network(run, images, classes, variant=variant, path=path)
            find_kernel_gradients(
                mine, Split(images.images[:batch_size], images.labels[:batch_size])
            )
    broken = guard(make_images((1, 8, 8), 10, 20))
    broken.images[3] = float("nan")
    mine = make_network(make_run(), broken, 10, variant=variant, path=path)
    train(mine, broken, 2)
    mine.evaluate(broken)


def overrun_losses(variant: str, path: Path) -> None:
    """An evaluation's losses go to memory for one fewer."""
    images = guard(make_images((1, 8, 8), 10, 20))
    mine = make_network(make_run(), images, 10, variant=variant, path=path)
    losses, taken = torch.empty(19, dtype=torch.float64), torch.empty(20, dtype=torch.int64)
    mine._kernel.evaluate(
        *(mine._memory, mine.weights.data_ptr(), images.images.data_ptr()),
        *(images.labels.data_ptr(), 20, losses.data_ptr(), taken.data_ptr()),
    )


def overrun_parts(variant: str, path: Path) -> None:
    """A step has more images than the network has memory for, within one piece of memory."""
    images = guard(make_images((1, 8, 8), 10, 200))
    mine = make_network(make_run(), images, 10, variant=variant, path=path)
    order = torch.arange(65)
    numbers = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    mine._kernel.train(
        *(mine._memory, mine.weights.data_ptr(), mine.gradients.data_ptr()),
        *(mine._state[0].data_ptr(), mine._state[1].data_ptr()),
        *(images.images.data_ptr(), images.labels.data_ptr(), order.data_ptr(), 65, 65),
        *(0, 0, 0, 0, 1.0, network._NOT_FUSED, numbers[0].data_ptr()),
        *(numbers[0].data_ptr(), numbers[1].data_ptr()),
    )


FAULTS = (overrun_losses, overrun_parts)

if __name__ == "__main__":
    torch.set_num_threads(1)
    library, chosen, *variants = sys.argv[1:]
    functions = {function.__name__: function for function in (do_all, *FAULTS)}
    for each in variants:
        functions[chosen](each, Path(library))
        print(each)
