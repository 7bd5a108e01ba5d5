"""Every scheduler class, and every optimizer with all that it takes, as a sweep file has them."""

SCHEDULERS = {
    "constant": "",
    "CosineToFloorLR": "floor: 0.2",
    "InverseSquareRootLR": "warmup_iters: 9",
    "LinearToZeroLR": "",
    "RexLR": "interval: epoch",
    "WarmupStableDecayLR": "warmup_iters: 5, decay_iters: 50%",
    "WarmupLR": "warmup_iters: 25, then: {class: ReduceLROnPlateau, patience: 0, threshold: 0.5}",
    "ChainedScheduler": (
        "schedulers: [{class: LinearLR, total_iters: 2}, {class: ExponentialLR, gamma: 0.7}]"
    ),
    "ConstantLR": "factor: 0.5, total_iters: 2",
    "CosineAnnealingLR": "T_max: epochs",
    "CosineAnnealingWarmRestarts": "T_0: 2",
    "CyclicLR": "base_lr: 0.0005, max_lr: 0.002, step_size_up: 7, cycle_momentum: MOMENTUM",
    "ExponentialLR": "gamma: 0.7",
    "LinearLR": "total_iters: 2",
    "MultiStepLR": "milestones: [1, 2], gamma: 0.5",
    "OneCycleLR": "max_lr: 0.002, total_steps: steps, cycle_momentum: MOMENTUM",
    "PolynomialLR": "total_iters: epochs",
    "ReduceLROnPlateau": "factor: 0.5, patience: 0, threshold: 0.5",
    "SequentialLR": (
        "milestones: [6], schedulers: [{class: LinearLR, total_iters: 6}, "
        "{class: OneCycleLR, max_lr: 0.002, total_steps: steps, cycle_momentum: MOMENTUM}]"
    ),
    "StepLR": "step_size: 1, gamma: 0.5",
}
OPTIMIZERS = {
    "adam": "{name: Adam, lr: 0.001}",
    "adam_decay": "{name: Adam, lr: 0.001, weight_decay: 0.01, eps: 1e-6, betas: [0.8, 0.99]}",
    "adamw": "{name: AdamW, lr: 0.001, weight_decay: 0.1}",
    "sgd": "{name: SGD, lr: 0.01}",
    "momentum": "{name: SGD, lr: 0.005, momentum: 0.9}",
    "nesterov": "{name: SGD, lr: 0.005, momentum: 0.9, nesterov: true, weight_decay: 0.001}",
    "rmsprop": "{name: RMSprop, lr: 0.0005}",
    "rmsprop_all": (
        "{name: RMSprop, lr: 0.0001, alpha: 0.9, eps: 1e-6, momentum: 0.9, centered: true, "
        "weight_decay: 0.001}"
    ),
    "adadelta": (
        "{name: Adadelta, lr: 0.2, rho: 0.8, eps: 1e-5, weight_decay: 0.01, decay_biases: false}"
    ),
    "free": "{name: AdamWScheduleFree, lr: 0.0025, warmup_steps: 25}",
    "free_all": (
        "{name: AdamWScheduleFree, lr: 0.002, betas: [0.95, 0.99], eps: 1e-6, weight_decay: 0.1, "
        "warmup_steps: 10, r: 1, weight_lr_power: 1}"
    ),
}
CYCLE_NOTHING = ("sgd", "rmsprop", "adadelta", "free", "free_all")


def every_scheduler(optimizer: str) -> str:
    """The scheduler section of a sweep file with every class; what has no momentum cycles none."""
    lines = []
    for name, arguments in SCHEDULERS.items():
        cycles = "false" if optimizer in CYCLE_NOTHING else "true"
        arguments = arguments.replace("MOMENTUM", cycles)
        given = f", {arguments}" if arguments else ""
        lines.append(f"  {name}: {{class: {name}{given}}}")
    return "\n".join(["schedulers:", *lines, ""])
