"""What to write for names and arguments that are known elsewhere, and not to a sweep file."""

from lrdecay.components.registry import HINTS

_FUNCTION = "it takes a Python function, so a plug-in gives it (--plugin FILE)"


def _same(name: str) -> str:
    return f"{name} does the same"


def _warm(then: str) -> str:
    return f"WarmupLR with then: {{class: {then}}} does the same"


_CLASSES = {
    # torch's own, with functions for arguments
    "LambdaLR": _FUNCTION,
    "MultiplicativeLR": _FUNCTION,
    # timm's
    "CosineLRScheduler": "CosineAnnealingLR does the same, within WarmupLR if it warms up",
    "MultiStepLRScheduler": _same("MultiStepLR"),
    "PlateauLRScheduler": _same("ReduceLROnPlateau"),
    "PolyLRScheduler": _same("PolynomialLR"),
    "StepLRScheduler": _same("StepLR"),
    "TanhLRScheduler": "none here does the same, so a plug-in gives it (--plugin FILE)",
    # those of Hugging Face's transformers, and what its TrainingArguments call them
    "get_constant_schedule": _same("constant"),
    "get_constant_schedule_with_warmup": _warm("constant"),
    "get_cosine_schedule_with_warmup": _warm("CosineAnnealingLR"),
    "get_cosine_with_hard_restarts_schedule_with_warmup": _warm("CosineAnnealingWarmRestarts"),
    "get_cosine_with_min_lr_schedule_with_warmup": _warm("CosineToFloorLR"),
    "get_inverse_sqrt_schedule": _same("InverseSquareRootLR"),
    "get_linear_schedule_with_warmup": _warm("LinearToZeroLR"),
    "get_polynomial_decay_schedule_with_warmup": _warm("PolynomialLR"),
    "get_reduce_on_plateau_schedule": _same("ReduceLROnPlateau"),
    "get_wsd_schedule": _same("WarmupStableDecayLR"),
    "constant_with_warmup": _warm("constant"),
    "cosine": _same("CosineAnnealingLR"),
    "cosine_with_min_lr": _same("CosineToFloorLR"),
    "cosine_with_restarts": _same("CosineAnnealingWarmRestarts"),
    "inverse_sqrt": _same("InverseSquareRootLR"),
    "linear": _same("LinearToZeroLR"),
    "polynomial": _same("PolynomialLR"),
    "reduce_lr_on_plateau": _same("ReduceLROnPlateau"),
    "warmup_stable_decay": _same("WarmupStableDecayLR"),
}
HINTS["scheduler"].update(_CLASSES)

ARGUMENT_HINTS = {
    "last_epoch": "leave it out, since every run begins with its first epoch",
    "lr_lambda": _FUNCTION,
    "optimizer": "leave it out, since every scheduler gets the sweep's",
    "scale_fn": _FUNCTION,
    "verbose": "leave it out, since no rate depends on it",
}
"""Argument of a scheduler elsewhere -> what to do about it in a sweep file."""
