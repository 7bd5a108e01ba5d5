"""Sweep files for a fuzzer: valid ones for every key and class, and what can befall them."""

import json
import random
import re
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

from helpers.paths import HOME, SWEEPS

from lrdecay.core.yaml import parse_yaml

_DATASETS = """\
digits
mnist
cifar10
{name: digits}
{folder: my/images, size: 32, channels: 1}
{folder: my/images, size: 8, on_error: skip}
""".splitlines()
_SCHEDULERS = """\
class: constant
class: StepLR, step_size: 5, gamma: 0.5
class: MultiStepLR, milestones: [2, 60%], gamma: 0.3
class: ConstantLR, factor: 0.5, total_iters: 3
class: LinearLR, start_factor: 0.3, end_factor: 1.0, total_iters: epochs
class: ExponentialLR, gamma: 0.9
class: PolynomialLR, total_iters: epochs, power: 2.0
class: CosineAnnealingLR, T_max: epochs, eta_min: 1e-5
class: CosineAnnealingWarmRestarts, T_0: 50%, T_mult: 1
class: CyclicLR, base_lr: 0.1 lr, max_lr: 2 lr, step_size_up: 4, mode: triangular2
class: OneCycleLR, max_lr: [2 lr], total_steps: steps, anneal_strategy: linear
class: ReduceLROnPlateau, factor: 0.5, patience: 1, threshold_mode: abs, min_lr: 1e-6
class: SequentialLR, milestones: [30%], schedulers: [{class: constant}, {class: RexLR}]
class: ChainedScheduler, schedulers: [{class: LinearLR}, {class: StepLR, step_size: 2}]
class: WarmupLR, warmup_iters: 10%, then: {class: ReduceLROnPlateau, patience: 1}
class: WarmupLR, warmup_iters: 2 epochs, then: {class: ReduceLROnPlateau, monitor: val_accuracy}
class: StepLR, step_size: [1, 2 epochs], gamma: [0.1, 0.5]
class: MultiStepLR, milestones: [[1, 2], [25%, 3]]
class: WarmupLR, warmup_iters: 1, interval: epoch, then: {class: CosineAnnealingLR, T_max: epochs}
class: LinearToZeroLR
class: CosineToFloorLR, floor: 0.1, total_iters: steps
class: RexLR, interval: epoch
class: GreedyLR, patience: 2, factor: 0.9
class: InverseSquareRootLR, warmup_iters: 10%
class: WarmupStableDecayLR, warmup_iters: 10%, decay_iters: 20%, shape: 1-sqrt
""".splitlines()
_OTHERS = """\
name: some.name-1
validation: 100
model: cnn
model: {name: [cnn], batch_norm: false}
model: {name: cnn, batch_norm: [true, false]}
model: {name: resnet, depth: [20, 110], shortcut: B}
optimizer: SGD
optimizer: {name: Adam, lr: 1e-3, betas: [0.9, 0.99], eps: 1e-7, weight_decay: 0.01}
optimizer: {name: SGD, lr: [0.1, 0.01], momentum: [0.8, 0.9], nesterov: true}
optimizer: {name: RMSprop, lr: 0.01, alpha: 0.9, centered: true}
optimizer: {name: Adadelta, lr: 1.0, rho: 0.9, weight_decay: 0.1, decay_biases: false}
optimizer: {name: AdamWScheduleFree, lr: 0.1, warmup_steps: 5, r: 0.0, weight_lr_power: 2.0}
optimizer: {lr: {choose: [0.001, 0.003, 0.01], per: [scheduler, dropout], seeds: 2}}
batch_size: [64, 128]
epochs: [4, 8]
epochs: 6
dropout: [0.0, 0.2, 0.5]
precision: bfloat16
kernels: torch
augment: {random_crop: [0, 4], horizontal_flip: 0.5, cutout: none}
augment: {horizontal_flip: [none, 0.25, 1]}
loss: cross_entropy
loss: {name: cross_entropy, label_smoothing: [0, 0.1]}
clip_grad_norm: 0.5
clip_grad_norm: [none, 1.0, 2]
seeds: 3
seeds: [1, 5, 9223372036854775807]
target: 0.98
metrics: [macro_f1]
metrics: [balanced_accuracy, macro_f1]
metrics: balanced_accuracy
comparison: {metric: val_loss, margin: 0.05, confidence: 0.9}
comparison: {reference: a}
""".splitlines()
_TRAINERS = """\
trainer: script
trainer: {name: script, width: [64, 128], data: wiki, depth: 2}
trainer: {name: command, hidden: [0.5, true]}
""".splitlines()
_OF_TRAINERS = """\
steps_per_epoch: 100
metrics: {f1: {higher_is_better: true, unit: points, title: F1}, mae: {higher_is_better: false}}
metrics: {val_f1: {higher_is_better: true}}
""".splitlines()

VALUES = [
    *("", "~", "null", "true", "false", "on", "0", "-0", "-0.0", "1", "-1", "0.5", "1e308", "nan"),
    *("-1e308", "1e999", "5e-324", ".inf", "-.INF", ".nan", "inf", "NaN", str(10**30), "+5", "."),
    *("1000000000", "1000000000000", str(2**63), str(2**64), "9" * 41, "0x1F", "0o17", "0b1"),
    *(
        "epochs",
        "steps",
        "lr",
        "2 epochs",
        "50%",
        "0.5 epochs",
        "1e9 lr",
        "-1 lr",
        "99999999999 lr",
    ),
    *(
        "0%",
        "0.0 steps",
        "7 steps",
        "1.5 epochs",
        "0." + "0" * 400 + "1 steps",
        "9" * 400 + " lr",
        "''",
        '""',
        '"\\0"',
        "1_000",
    ),
    *('"\\ud800"', '"\\e[31m"', '"a\\nb"', "'\u2028'", "\u202e", "é", "x" * 1100, "{}", "[]"),
    *("[[]]", "[{}]", "{a: b}", "[1, 1]", "[0, 0.0, -0.0]", "[~]", "[" * 12 + "]" * 12, "[" * 40),
    *("{a: " * 15 + "1" + "}" * 15, "2024-01-31", "1:30", "!!python/object:os.system x", "!!int 3"),
    *("&a 1", "*a", "/etc/passwd", "../../x", "constant", "StepLR", "CyclicLR", "digits"),
    *("{class: constant}", "{choose: [1, 2]}", "{min: 8, max: 64}", "[1, two, 3.0, ~, true, [4]]"),
    *("|\n  text", ">-\n  text", "# nothing"),
]
"""Scalars and collections of the wrong type, of no size, too large, or no value at all."""

TOKENS = [
    *"\t\n\r #&*!|>'\"%@`[]{},:?-~<.0189eE_\\\0\x01\x1b\x7f\x85\u2028\ufeff\ufffeé😀",
    *("- ", ": ", "<<: ", "<<: *a\n", "*a", "&a ", "!!python/object ", "!!str ", "---\n", "...\n"),
    *("? ", "!<x> ", "!%ff ", "|9\n", ">+\n", "\r\n", "%YAML 9.9\n---\n", "%TAG ! !\n", "\\", "  "),
    *('"\\U99999999"', "- - - ", "[" * 30, "{" * 30, "# ", "class", "epochs", "schedulers:\n"),
    *("&a [*a]", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "x: " * 30, "\ud800", "\udfff"),
]

Node = Any
"""A raw scalar, a list, or keys with values as a list of pairs in a `Keys`."""


class Keys(list[tuple[str, Node]]):
    """Keys and values, in which a key may stand more than once."""


def valid(rng: random.Random) -> str:
    """Return a short sweep file with one to three schedulers and a few other keys."""
    own = rng.random() < 0.1
    lines = [rng.choice(_TRAINERS)] if own else [f"dataset: {rng.choice(_DATASETS)}"]
    some = rng.sample(_SCHEDULERS, rng.choice((1, 1, 1, 1, 1, 1, 2, 3)))
    flow = rng.random() < 0.5
    labelled = zip("abc", some, strict=False)
    if flow:
        lines += ["schedulers:", *(f"  {label}: {{{each}}}" for label, each in labelled)]
    else:
        inner = ", ".join(f"{label}: {{{each}}}" for label, each in labelled)
        lines += [f"schedulers: {{{inner}}}"]
    others = {
        line.partition(":")[0]: line
        for line in rng.sample(_OF_TRAINERS if own else _OTHERS, rng.choice((0, 0, 1, 2)))
    }
    return "\n".join([*lines, *others.values()]) + "\n"


def every_valid() -> list[str]:
    """Return files that have every line of this module in one of them, and the examples."""
    first = "dataset: digits\nschedulers: {a: {class: constant}}\n"
    return [
        *(f"dataset: {each}\n" + first.partition("\n")[2] for each in _DATASETS),
        *(first.replace("class: constant", each) for each in _SCHEDULERS),
        *(first + line for line in _OTHERS),
        *(first.replace("dataset: digits", line) for line in _TRAINERS),
        *(first.replace("dataset: digits", "trainer: script") + line for line in _OF_TRAINERS),
        first.replace("}}", "}, b: {class: StepLR, step_size: 1}}")
        + "seeds: {min: 8, max: 16, until: resolved}\n",
        *examples(),
    ]


def examples() -> list[str]:
    """Return the sweep files that come with the program, and those of two documents."""
    files = [path.read_text() for path in sorted(SWEEPS.glob("*.yaml"))]
    whole_file, *of_settings = _yaml_in("sweeps.md")
    nested_schedulers, lengths, grid, *_ = _yaml_in("schedulers.md")
    rest = {
        "dataset": "dataset: digits\n",
        "schedulers": "schedulers: {a: {class: constant}}\n",
    }
    whole = [
        block + "".join(line for key, line in rest.items() if f"{key}:" not in block)
        for block in (whole_file, nested_schedulers, lengths, grid, *of_settings)
    ]
    return files + whole


def _yaml_in(page: str) -> list[str]:
    text = (HOME / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


_EXAMPLES = examples()
_BASES = 2000


@cache
def _valid(number: int) -> str:
    return valid(random.Random(number))


@cache
def _value(text: str) -> Any:
    return parse_yaml(text).value


def document(number: int) -> bytes:
    """Return the fuzzer's file of this number: a valid one with some harm done, or a random one."""
    rng = random.Random(number)
    kind = rng.random()
    if kind < 0.18:
        text = render(_random_tree(rng, rng.randint(1, 4)), rng)
    else:
        text = rng.choice(_EXAMPLES) if kind > 0.995 else _valid(rng.randrange(_BASES))
        if rng.random() < 0.5:
            tree = _tree(_value(text))
            for _ in range(rng.choice((1, 1, 1, 2, 4))):
                rng.choice(_ON_TREES)(tree, rng)
            text = render(tree, rng)
        if rng.random() < 0.5:
            for _ in range(rng.choice((1, 1, 2, 3))):
                text = rng.choice(_ON_TEXT)(text, rng)
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.08:
        content = _flip(content, rng)
    return content


def render(node: Node, rng: random.Random, indent: int = 0) -> str:
    """Return a tree as YAML: each collection in brackets, or in lines of its own."""
    if isinstance(node, str):
        return node
    if not node or indent > 8 or rng.random() < (0.7 if indent else 0.1):
        if isinstance(node, Keys):
            return f"{{{', '.join(f'{key}: {_flow(value)}' for key, value in node)}}}"
        return _flow(node)
    pad = " " * indent
    lines = []
    for item in node:
        key, value = item if isinstance(node, Keys) else ("", item)
        begin = f"{pad}{key}:" if isinstance(node, Keys) else f"{pad}-"
        text = render(value, rng, indent + 2)
        own_lines = not isinstance(value, str) and text.startswith(" ")
        lines.append(f"{begin}\n{text}" if own_lines else f"{begin} {text}")
    return "\n".join(lines) + ("" if indent else "\n")


def _flow(node: Node) -> str:
    if isinstance(node, Keys):
        return f"{{{', '.join(f'{key}: {_flow(value)}' for key, value in node)}}}"
    if isinstance(node, list):
        return f"[{', '.join(map(_flow, node))}]"
    return str(node)


def _tree(value: Any) -> Node:
    if isinstance(value, dict):
        return Keys((key, _tree(each)) for key, each in value.items())
    if isinstance(value, list):
        return [_tree(each) for each in value]
    return value if isinstance(value, str) else json.dumps(value)


def _places(node: Node) -> list[tuple[list[Any], int]]:
    """Return every place of a tree below its root, as the list that holds it and the index."""
    found = []
    for index, item in enumerate(node if isinstance(node, list) else ()):
        found.append((node, index))
        found += _places(item[1] if isinstance(node, Keys) else item)
    return found


def _put(place: tuple[list[Any], int], value: Node) -> None:
    home, index = place
    home[index] = (home[index][0], value) if isinstance(home, Keys) else value


def _get(place: tuple[list[Any], int]) -> Node:
    home, index = place
    return home[index][1] if isinstance(home, Keys) else home[index]


def _of_tree(change: Callable[[tuple[list[Any], int], Node, random.Random], None]) -> Any:
    def changed(tree: Node, rng: random.Random) -> None:
        places = _places(tree)
        if places:
            change(rng.choice(places), tree, rng)

    return changed


def _swap(place: tuple[list[Any], int], tree: Node, rng: random.Random) -> None:
    _put(place, rng.choice(VALUES))


def _move(place: tuple[list[Any], int], tree: Node, rng: random.Random) -> None:
    _put(place, deepcopy(_get(rng.choice(_places(tree)))))


def _delete(place: tuple[list[Any], int], tree: Node, rng: random.Random) -> None:
    home, index = place
    del home[index]


def _double(place: tuple[list[Any], int], tree: Node, rng: random.Random) -> None:
    home, index = place
    for _ in range(rng.choice((1, 1, 1, 50))):
        home.insert(index, deepcopy(home[index]))


def _wrap(place: tuple[list[Any], int], tree: Node, rng: random.Random) -> None:
    value = _get(place)
    for _ in range(rng.choice((1, 1, 2, 25))):
        value = [value] if rng.random() < 0.5 else Keys([(rng.choice(_WORDS), value)])
    _put(place, value)


def _misspell(place: tuple[list[Any], int], tree: Node, rng: random.Random) -> None:
    home, index = place
    if not isinstance(home, Keys):
        return
    key, value = home[index]
    at = rng.randint(0, len(key))
    other = rng.choice([key[:at] + key[at + 1 :], key.upper(), *VALUES, *_WORDS, key[:at] + "\t"])
    home[index] = (other, value)


def _random_tree(rng: random.Random, depth: int) -> Node:
    kind = rng.random()
    if depth == 0 or kind < 0.2:
        return rng.choice(rng.choice((VALUES, _WORDS)))
    count = rng.choice((0, 1, 2, 3, 5))
    if kind < 0.4:
        return [_random_tree(rng, depth - 1) for _ in range(count)]
    return Keys((rng.choice(_WORDS), _random_tree(rng, depth - 1)) for _ in range(count))


def _token(text: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(TOKENS) + text[at + rng.choice((0, 0, 1, 4)) :]


def _lines(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    line = lines[at]
    lines[at : at + 1] = rng.choice(
        (
            [],
            [line, line],
            [lines[other]],
            [" " + line],
            ["\t" + line],
            [line.lstrip()],
            [line[:-2]],
        )
    )
    return "".join(lines)


def _ends(text: str, rng: random.Random) -> str:
    changed = (text.replace("\n", "\r\n"), "\ufeff" + text, text[: rng.randint(0, len(text))])
    return rng.choice(changed)


def _flip(content: bytes, rng: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 3)) if found else 0):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


_WORDS = sorted(set(re.findall(r"[A-Za-z_]\w*", " ".join([*_SCHEDULERS, *_OTHERS, *_DATASETS]))))
_ON_TREES = [_of_tree(each) for each in (_swap, _swap, _swap, _move, _delete, _double, _wrap)]
_ON_TREES += [_of_tree(_misspell)]
_ON_TEXT = [_token, _token, _lines, _ends]
