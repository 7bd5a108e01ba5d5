"""The layers of a plain network, in order and by name."""

from torch import nn

from lrdecay.components.models.dropout import StreamDropout

Layers = list[tuple[str, nn.Module]]

_ON_IMAGES = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)
_ANYWHERE = (nn.ReLU, nn.Identity, StreamDropout)


def list_layers(network: nn.Module) -> Layers | None:
    """Return the network's layers by name, or None where it is no sequence of layers known here."""
    layers: Layers = []
    if not _collect(network, "", layers) or len({layer for _, layer in layers}) < len(layers):
        return None
    count = len(list(network.named_parameters(remove_duplicate=False)))
    if count > len(list(network.parameters())):
        return None  # a parameter that two layers share
    flat = False
    for _, layer in layers:
        known = (*_ANYWHERE, nn.Linear) if flat else (*_ANYWHERE, *_ON_IMAGES, nn.Flatten)
        if type(layer) not in known or not _is_plain(layer):
            return None
        flat = flat or isinstance(layer, nn.Flatten)
    return layers


def _collect(module: nn.Module, name: str, layers: Layers) -> bool:
    """Add the layers of nested sequences in order; say whether they are no more than that."""
    forward = module._forward_hooks, module._forward_pre_hooks
    backward = module._backward_hooks, module._backward_pre_hooks
    if any((*forward, *backward)) or type(module).train is not nn.Module.train:
        return False
    if not isinstance(module, nn.Sequential):
        layers.append((name, module))
        return True
    if type(module).forward is not nn.Sequential.forward:
        return False
    return all(
        _collect(child, f"{name}.{key}" if name else key, layers)
        for key, child in module._modules.items()
        if child is not None
    )


def _is_plain(layer: nn.Module) -> bool:
    """Whether the layer uses nothing that its form here leaves out."""
    match layer:
        case nn.Conv2d():
            simple = isinstance(layer.padding, tuple) and layer.padding_mode == "zeros"
            return simple and layer.groups == 1
        case nn.BatchNorm2d():
            return layer.affine and layer.track_running_stats and layer.momentum is not None
        case nn.MaxPool2d():
            return not layer.return_indices
        case nn.Flatten():
            return (layer.start_dim, layer.end_dim) == (1, -1)
    return True
