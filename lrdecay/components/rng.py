"""Counter-based randomness: (seed, purpose, counters) -> bits, the same on every device.

A run's seed names one stream per purpose (`init`, `order`, `dropout`, `augment/NAME` of each
transform, `other`). A stream depends on
the seed and the purpose alone, so two runs that share a seed start from the same weights, see the
same batches and draw the same dropout uniforms, whatever else differs between them.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014): output i of a stream is a bijective mix of ``key + (i + 1) * GAMMA``,
so any output is had without the ones before it. Only wrapping 64-bit integer arithmetic is used,
hence equal bits on CPU and GPU.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, None))


def make_key(seed: int, purpose: str, *counters: int) -> int:
    """Return the 64-bit key of one stream, or of a numbered part of it (an epoch, a step).

    >>> make_key(0, "order") == make_key(0, "order"), make_key(0, "order") == make_key(1, "order")
    (True, False)
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    value = int.from_bytes(digest[:8], "little")
    for counter in counters:
        value = derive_key(value, counter)
    return value


def derive_key(key: int, counter: int) -> int:
    """Return the key of a numbered part of a stream.

    >>> derive_key(make_key(7, "dropout"), 5) == make_key(7, "dropout", 5)
    True
    """
    return _mix_int(key + (counter + 1) * _GAMMA)


def make_keys(seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu") -> Tensor:
    """Return `make_key(seed, purpose)` for each seed: int64, the 64 bits as they are."""
    values = [_signed(make_key(seed, purpose)) for seed in seeds]
    return torch.tensor(values, dtype=torch.int64, device=device)


def derive_keys(keys: Tensor, counters: Tensor) -> Tensor:
    """Return the keys of numbered parts of streams, of the shape that both broadcast to.

    >>> derived = derive_keys(make_keys([7], "dropout"), torch.tensor([5]))
    >>> derived.item() % 2**64 == make_key(7, "dropout", 5)
    True
    """
    return _mix(keys + (counters + 1) * _signed(_GAMMA))


def draw_bits(key: int | Tensor, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the first `count` outputs of a stream: int64, shape (count,), all 64 bits random.

    Keys (n, 1) give n streams at once, shape (n, count).
    """
    start = _signed(key) if isinstance(key, int) else key
    return _mix(_get_counters(count, torch.device(device)) + start)


def draw_uniforms(keys: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the first `counts[i]` uniforms of the streams `keys[i]`, keys (streams, n), side by
    side: (n, uniforms) of int32, the uniform less 2**31. An odd count is followed by one more.
    """
    lengths = [(count + 1) // 2 for count in counts]
    bits = torch.empty((keys.shape[1], sum(lengths)), dtype=torch.int64, device=keys.device)
    counters = _get_counters(max(lengths), keys.device)
    for part, key in zip(bits.split(lengths, 1), keys, strict=True):
        torch.add(counters[: part.shape[1]], key[:, None], out=part)
    return _mix(bits).view(torch.int32)


def _mix(z: Tensor) -> Tensor:
    """Mix, in place."""
    for shift, multiplier in _MIX:
        # >> on int64 copies the sign bit, so it is masked off
        z ^= (z >> shift).bitwise_and_((1 << (64 - shift)) - 1)
        if multiplier is not None:
            z *= _signed(multiplier)
    return z


def digest_order(seed: int, count: int) -> str:
    """Return the first 16 hex digits of the SHA-256 of the first epoch's order."""
    return hashlib.sha256(draw_order(seed, 0, count).numpy().tobytes()).hexdigest()[:16]


def draw_order(seed: int, epoch: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the order in which an epoch (from 0) visits `count` images: int64, a permutation."""
    return torch.argsort(draw_bits(make_key(seed, "order", epoch), count, device), stable=True)


def draw_mask(
    key: int | Tensor, threshold: int | Tensor, shape: Sequence[int], device: torch.device | str
) -> Tensor:
    """Return a dropout mask: bool, of `shape`, False with the probability given as a threshold.

    Element i is kept when the i-th 32-bit uniform of the stream is not below the rate, so the masks
    of two rates at one key are nested: what the lower rate drops, the higher rate drops too.
    Keys and thresholds (n, 1) give n masks at once, (n, *shape).
    """
    count = math.prod(shape)
    uniform = draw_bits(key, (count + 1) // 2, device).view(torch.int32)[..., :count]
    return (uniform >= threshold).reshape(*uniform.shape[:-1], *shape)


def mask_threshold(rate: float) -> int:
    """Return what `draw_mask` takes for a dropout rate from 0 to below 1, exact to 2**-32.

    It is the rate on the scale of int32, which is the uniform less 2**31: comparing there saves a
    conversion.

    >>> mask_threshold(0.0) == -(2**31), mask_threshold(0.5)
    (True, 0)
    """
    # a rate just below 1 must not round up to one more than int32 holds
    return min(round(rate * 2**32), 2**32 - 1) - 2**31


@contextmanager
def seed_torch(seed: int, purpose: str, device: torch.device | str = "cpu") -> Iterator[None]:
    """Within the block torch's own generators draw from one stream: the CPU's, and the device's.

    Any module's usual initialisation (`init`) is then a function of the seed alone. The CPU
    generator's state is put back afterwards.
    """
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(make_key(seed, purpose) >> 1)
    if torch.device(device).type == "cuda":
        torch.cuda.manual_seed(make_key(seed, purpose) >> 1)
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _get_counters(count: int, device: torch.device) -> Tensor:
    # not kept on a GPU: a captured graph must not point to what a cache may drop
    return (_counters if device.type == "cpu" else _counters.__wrapped__)(count, device)


@lru_cache(maxsize=64)
def _counters(count: int, device: torch.device) -> Tensor:
    return torch.arange(1, count + 1, dtype=torch.int64, device=device) * _signed(_GAMMA)


def _mix_int(value: int) -> int:
    z = value & _MASK
    for shift, multiplier in _MIX:
        z ^= z >> shift
        if multiplier is not None:
            z = z * multiplier & _MASK
    return z


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
