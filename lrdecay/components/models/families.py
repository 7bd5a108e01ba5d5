"""What each family of torchvision's classifiers takes beside the number of classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from lrdecay.core.fields import Fraction

Shape = tuple[int, int, int]

Stem = Literal["standard", "small"]


@dataclass(frozen=True)
class Family:
    """One class of torchvision's networks.

    `arguments` are those that a sweep file may give, `dropout` is what its builders call the rate
    of dropout, if they take one, `fixed` what they are given whatever the file says, and `sized`
    what the shape of the images decides. `shrink` makes the stem small: it then keeps the size of
    the images. `settle` does what the arguments cannot.
    """

    arguments: tuple[str, ...] = ()
    dropout: str | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    sized: Callable[[Shape], Mapping[str, Any]] = lambda shape: {}
    shrink: Callable[[Any], None] | None = None
    settle: Callable[[Any, float], None] = lambda network, rate: None


def _read_side(shape: Shape) -> Mapping[str, Any]:
    _, height, width = shape
    if height != width:
        raise ValueError(f"needs square images, not {height}x{width}")
    return {"image_size": height}


# Small stems: the first convolution has stride 1, and no pooling follows it


def _shrink_resnet(network: Any) -> None:
    network.conv1 = _make_convolution(network.conv1)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()


def _shrink_densenet(network: Any) -> None:
    network.features.conv0 = _make_convolution(network.features.conv0)
    nn.init.kaiming_normal_(network.features.conv0.weight)
    network.features.pool0 = nn.Identity()


def _shrink_shufflenet(network: Any) -> None:
    network.conv1[0].stride = 1, 1
    network.maxpool = nn.Identity()


def _shrink_features(network: Any) -> None:
    network.features[0][0].stride = 1, 1


def _shrink_mnasnet(network: Any) -> None:
    network.layers[0].stride = 1, 1


def _shrink_regnet(network: Any) -> None:
    network.stem[0].stride = 1, 1


def _make_convolution(replaced: nn.Conv2d) -> nn.Conv2d:
    channels = replaced.in_channels, replaced.out_channels
    return nn.Conv2d(*channels, 3, padding=1, bias=replaced.bias is not None)


# Dropout that is a function in torchvision and no layer: its masks would not be the run's own


def _drop_in_densenet(network: Any, rate: float) -> None:
    for layer in network.modules():
        if type(layer).__name__ == "_DenseLayer":
            layer.conv2 = nn.Sequential(layer.conv2, nn.Dropout(rate))
            layer.drop_rate = 0.0


def _drop_in_swin(network: Any, rate: float) -> None:
    for block in network.modules():
        if type(block).__name__.startswith("SwinTransformerBlock"):
            block.attn.dropout = 0.0
            block.attn = nn.Sequential(block.attn, nn.Dropout(rate))


_GOOGLE = {"aux_logits": False, "init_weights": True}

FAMILIES: Mapping[str, Family] = {
    "AlexNet": Family(dropout="dropout"),
    "ConvNeXt": Family(("stochastic_depth_prob", "layer_scale")),
    "DenseNet": Family(
        ("bn_size",), "drop_rate", shrink=_shrink_densenet, settle=_drop_in_densenet
    ),
    "EfficientNet": Family(("stochastic_depth_prob",), "dropout", shrink=_shrink_features),
    "GoogLeNet": Family(("transform_input",), "dropout", _GOOGLE),
    "Inception3": Family(("transform_input",), "dropout", _GOOGLE),
    "MNASNet": Family(dropout="dropout", shrink=_shrink_mnasnet),
    "MaxVit": Family(
        ("mlp_ratio", "squeeze_ratio", "expansion_ratio", "mlp_dropout", "attention_dropout"),
        sized=lambda shape: {"input_size": shape[1:]},
    ),
    "MobileNetV2": Family(("width_mult", "round_nearest"), "dropout", shrink=_shrink_features),
    "MobileNetV3": Family(
        ("width_mult", "reduced_tail", "dilated"), "dropout", shrink=_shrink_features
    ),
    "RegNet": Family(("stem_width",), shrink=_shrink_regnet),
    "ResNet": Family(("zero_init_residual",), shrink=_shrink_resnet),
    "ShuffleNetV2": Family(shrink=_shrink_shufflenet),
    "SqueezeNet": Family(dropout="dropout"),
    "SwinTransformer": Family(("mlp_ratio", "attention_dropout"), "dropout", settle=_drop_in_swin),
    "VGG": Family(dropout="dropout"),
    "VisionTransformer": Family(("attention_dropout",), "dropout", sized=_read_side),
}
"""Name of the class -> what it takes. One that is not here takes nothing, and no dropout."""

OF_BOTTLENECKS = {"groups": 1, "width_per_group": 64}
"""Further arguments of resnet50, resnet101 and resnet152, whose blocks have bottlenecks."""

DEFAULTS: Mapping[tuple[str, str], Any] = {
    ("MobileNetV3", "width_mult"): 1.0,
    ("MobileNetV3", "reduced_tail"): False,
    ("MobileNetV3", "dilated"): False,
    ("convnext_tiny", "stochastic_depth_prob"): 0.1,
    ("convnext_small", "stochastic_depth_prob"): 0.4,
    ("convnext_base", "stochastic_depth_prob"): 0.5,
    ("convnext_large", "stochastic_depth_prob"): 0.5,
}
"""Class or classifier, and argument -> the default of its builder, where the class does not say."""

_SHARES = ("stochastic_depth_prob", "mlp_dropout", "attention_dropout")


def find_hint(argument: str, default: Any) -> Any:
    """Return the type of an argument in a sweep file, by its name and its default."""
    if isinstance(default, bool):
        return bool
    if argument in _SHARES:
        return Fraction
    if isinstance(default, int):
        return Annotated[int, Field(ge=1, le=10_000)]
    return Annotated[float, Field(gt=0, le=10_000)]
