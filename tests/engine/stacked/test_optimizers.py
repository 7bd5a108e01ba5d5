"""The optimizers for stacked parameters against their own classes, run by run, and to the bit."""

import math

import pytest
import schedulefree
import torch
from helpers.tiers import slow_but
from torch import Tensor, nn
from torch.testing import assert_close

from lrdecay.engine.stacked import optimizers
from lrdecay.engine.stacked.parameters import Row

STEPS = 60
EPOCH = 25  # coefficients come an epoch at a time
SHAPES = [(5, 7), (4, 3, 3, 3), (33,), (1,), (1, 1), ()]
ADAM = {
    "default": [{"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}] * 3,
    "betas": [
        {"betas": betas, "eps": 1e-8, "weight_decay": 0.0}
        for betas in [(0.9, 0.999), (0.5, 0.9), (0.0, 0.0)]
    ],
    "eps": [{"betas": (0.9, 0.99), "eps": eps, "weight_decay": 0.0} for eps in (1e-10, 1e-3, 0.5)],
    "weight_decay": [
        {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": decay} for decay in (0.01, 0.1, 1.0)
    ],
    "all": [
        {"betas": (0.8, 0.95), "eps": 1e-2, "weight_decay": 0.3},
        {"betas": (0.95, 0.5), "eps": 1e-8, "weight_decay": 0.0},
        {"betas": (0.6, 0.999), "eps": 1e-4, "weight_decay": 0.05},
    ],
}
SGD = {
    "plain": [{"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}] * 3,
    "weight_decay": [
        {"momentum": 0.0, "nesterov": False, "weight_decay": decay} for decay in (0.01, 0.0, 0.5)
    ],
    "momentum": [
        {"momentum": momentum, "nesterov": False, "weight_decay": 0.0}
        for momentum in (0.9, 0.5, 0.99)
    ],
    "nesterov": [
        {"momentum": momentum, "nesterov": True, "weight_decay": 0.0}
        for momentum in (0.9, 0.5, 0.99)
    ],
    "all": [
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"momentum": 0.9, "nesterov": False, "weight_decay": 0.0},
        {"momentum": 0.6, "nesterov": False, "weight_decay": 0.2},
    ],
}
_RMSPROP = {"alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False}
RMSPROP = {
    "default": [_RMSPROP] * 3,
    "alpha": [{**_RMSPROP, "alpha": alpha} for alpha in (0.9, 0.5, 0.0)],
    "eps": [{**_RMSPROP, "eps": eps} for eps in (1e-10, 1e-3, 0.5)],
    "weight_decay": [{**_RMSPROP, "weight_decay": decay} for decay in (0.01, 0.1, 1.0)],
    "momentum": [{**_RMSPROP, "momentum": momentum} for momentum in (0.9, 0.5, 0.99)],
    "centered": [{**_RMSPROP, "centered": True, "alpha": alpha} for alpha in (0.9, 0.5, 0.99)],
    "all": [
        {**_RMSPROP, "alpha": 0.9, "momentum": 0.9, "centered": True, "weight_decay": 0.01},
        {**_RMSPROP, "alpha": 0.5, "momentum": 0.5, "eps": 1e-3},
        {**_RMSPROP, "alpha": 0.99, "momentum": 0.6, "eps": 1e-4, "weight_decay": 0.2},
    ],
    "some": [
        _RMSPROP,
        {**_RMSPROP, "alpha": 0.9, "momentum": 0.9},
        {**_RMSPROP, "alpha": 0.9, "centered": True},
    ],
}
_ADADELTA = {"rho": 0.9, "eps": 1e-6, "weight_decay": 0.0}
ADADELTA = {
    "default": [_ADADELTA] * 3,
    "rho": [{**_ADADELTA, "rho": rho} for rho in (0.9, 0.5, 0.0)],
    "eps": [{**_ADADELTA, "eps": eps} for eps in (1e-8, 1e-4, 1e-2)],
    "weight_decay": [{**_ADADELTA, "weight_decay": decay} for decay in (0.01, 0.1, 1.0)],
    "all": [
        {"rho": 0.95, "eps": 1e-4, "weight_decay": 0.1},
        {"rho": 0.5, "eps": 1e-3, "weight_decay": 0.0},
        {"rho": 0.8, "eps": 1e-6, "weight_decay": 0.5},
    ],
}
_FREE = {
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0.0,
    "warmup_steps": 0,
    "r": 0.0,
    "weight_lr_power": 2.0,
}
SCHEDULE_FREE = {
    "default": [_FREE] * 3,
    "betas": [{**_FREE, "betas": betas} for betas in [(0.9, 0.999), (0.5, 0.9), (0.98, 0.0)]],
    "eps": [{**_FREE, "eps": eps} for eps in (1e-10, 1e-3, 0.5)],
    "weight_decay": [{**_FREE, "weight_decay": decay} for decay in (0.01, 0.1, 1.0)],
    "warmup_steps": [{**_FREE, "warmup_steps": count} for count in (0, 10, 40)],
    "r": [{**_FREE, "r": r} for r in (0.5, 1.0, 3.0)],
    "weight_lr_power": [
        {**_FREE, "weight_lr_power": power, "warmup_steps": 20} for power in (0.0, 1.0, 2.5)
    ],
    "all": [
        {**_FREE, "betas": (0.8, 0.95), "eps": 1e-2, "weight_decay": 0.3, "warmup_steps": 30},
        {**_FREE, "betas": (0.95, 0.5), "r": 2.0},
        {**_FREE, "eps": 1e-4, "weight_decay": 0.05, "weight_lr_power": 0.5, "warmup_steps": 7},
    ],
}
GIVEN = {
    "Adam": ADAM,
    "AdamW": ADAM,
    "SGD": SGD,
    "RMSprop": RMSPROP,
    "Adadelta": ADADELTA,
    "AdamWScheduleFree": SCHEDULE_FREE,
}
for _cases in GIVEN.values():
    # the first run decays everything, the second weights alone, the third nothing
    of_weights = [{**given, "weight_decay": 0.3} for given in _cases["all"]]
    of_weights[1]["decay_biases"] = False
    of_weights[2] |= {"weight_decay": 0.0, "decay_biases": False}
    _cases["decay_biases"] = of_weights
CASES = [(name, case) for name, cases in GIVEN.items() for case in cases]
CLASSES = {**vars(torch.optim), "AdamWScheduleFree": schedulefree.AdamWScheduleFree}


def arguments(name: str, case: str) -> list[dict]:
    return GIVEN[name][case]


def draws(runs: int, shapes=SHAPES, steps: int = STEPS, dtype=torch.float32) -> list[list[Tensor]]:
    """The parameters to begin with, then the gradients of each step, all (runs, ...)."""
    generator = torch.Generator().manual_seed(3)

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(runs, *shape, generator=generator, dtype=torch.float64).to(dtype)

    return [[draw(shape) for shape in shapes] for _ in range(steps + 1)]


def _momentum(given: dict) -> float:
    return given["betas"][0] if "betas" in given else given.get("momentum", 0.0)


def schedules(given: list[dict], steps: int = STEPS, cycled: bool = True) -> tuple[Tensor, Tensor]:
    """Rates, and the momenta around each run's own, (steps, runs): no two runs have the same.

    What is cycled here is nothing to schedule-free: its betas stay.
    """
    step = torch.arange(steps, dtype=torch.float64)[:, None]
    place = torch.arange(len(given), dtype=torch.float64)
    rates = 0.02 * (1 + place) * (1 + 0.9 * torch.cos(step / 5 + place))
    if "rho" in given[0]:  # its first steps are tiny
        rates = 20 * rates
    base = torch.tensor([_momentum(a) for a in given]).double()
    # a momentum of zero stays so: nothing cycles what is not there
    wave = 1 - 0.3 * torch.sin(step / 7 + place) ** 2 if cycled else torch.ones_like(rates)
    return rates, base * wave


def stacked(
    name: str,
    given: list[dict],
    rates: Tensor,
    momenta: Tensor,
    values: list[list[Tensor]],
) -> list[Tensor]:
    """The parameters after all steps, (runs, ...)."""
    parameters = [start.clone() for start in values[0]]
    update = optimizers.build_update(name, parameters, given)
    go(update, parameters, rates, momenta, values[1:], 0)
    return parameters


def go(update, parameters, rates, momenta, gradients, first: int) -> None:
    """Take the steps, with the coefficients of an epoch at a time."""
    for start in range(0, len(rates), EPOCH):
        part = slice(start, start + EPOCH)
        rows = update.coefficients(rates[part], momenta[part], first + start)
        for row, of_step in zip(rows, gradients[part], strict=True):
            update.apply(parameters, of_step, row.to(parameters[0].dtype))


def itself(name: str, parameters: list[nn.Parameter], given: dict) -> torch.optim.Optimizer:
    """The optimizer's own class, weights and biases in a group each."""
    taken = {key: value for key, value in given.items() if key != "decay_biases"}
    groups = [{"params": [p for p in parameters if p.dim() > 1]}]
    groups += [{"params": [p for p in parameters if p.dim() <= 1]}]
    if not given.get("decay_biases", True):
        groups[1]["weight_decay"] = 0.0
    return CLASSES[name](groups, lr=1.0, foreach=False, **taken)


def alone(
    name: str,
    given: dict,
    rates: list[float],
    momenta: list[float],
    values: list[list[Tensor]],
    place: int,
) -> list[Tensor]:
    """One run's parameters from the optimizer's own class."""
    parameters = [nn.Parameter(start[place].clone()) for start in values[0]]
    optimizer = itself(name, parameters, given)
    if name == "AdamWScheduleFree":
        optimizer.train()
    for rate, momentum, gradients in zip(rates, momenta, values[1:], strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
            if "momentum" in given:
                group["momentum"] = momentum
            elif "betas" in given and name != "AdamWScheduleFree":
                group["betas"] = (momentum, given["betas"][1])
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else gradient[place].clone()
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def assert_as_alone(name, given, rates, momenta, values, found, rtol=1e-5, atol=2e-6) -> None:
    for place, of_run in enumerate(given):
        expected = alone(
            name, of_run, rates[:, place].tolist(), momenta[:, place].tolist(), values, place
        )
        for mine, theirs in zip(found, expected, strict=True):
            assert_close(mine[place], theirs, rtol=rtol, atol=atol)


# Against torch

DOUBLE = (torch.float64, 1e-10, 1e-12)


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), slow_but([DOUBLE], [DOUBLE, (torch.float32, 1e-5, 2e-6)])
)
@pytest.mark.parametrize("cycled", slow_but([True], [False, True]))
@pytest.mark.parametrize(("name", "case"), CASES)
def test_each_run_moves_as_with_the_optimizer_itself(name, case, cycled, dtype, rtol, atol):
    given = arguments(name, case)
    rates, momenta = schedules(given, cycled=cycled)
    values = draws(3, dtype=dtype)
    found = stacked(name, given, rates, momenta, values)
    for end, start in zip(found, values[0], strict=True):
        assert (end - start).abs().mean() > 0.01
    assert_as_alone(name, given, rates, momenta, values, found, rtol, atol)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("zero", [range(4), range(20, 30), [0, 5, 6, 59]])
def test_sgd_leaves_the_buffer_alone_while_a_cycled_momentum_is_zero(zero, nesterov):
    given = [
        {"momentum": momentum, "nesterov": nesterov, "weight_decay": 0.1} for momentum in (0.9, 0.6)
    ]
    rates, momenta = schedules(given)
    momenta[list(zero), 1] = 0.0
    values = draws(2, dtype=torch.float64)
    found = stacked("SGD", given, rates, momenta, values)
    assert_as_alone("SGD", given, rates, momenta, values, found, 1e-10, 1e-12)
    # with the momentum there all the time it would be another course
    _, throughout = schedules(given)
    other = stacked("SGD", given, rates, throughout, values)
    assert other[0][0].equal(found[0][0])
    assert (other[0][1] - found[0][1]).abs().min() > 1e-4


@pytest.mark.parametrize("zero", [range(20, 30), [5, 6, 59]])
def test_so_does_rmsprop(zero):
    """Torch's can only begin with a momentum above zero."""
    given = [{**_RMSPROP, "momentum": momentum, "centered": True} for momentum in (0.9, 0.6)]
    rates, momenta = schedules(given)
    momenta[list(zero), 1] = 0.0
    values = draws(2, dtype=torch.float64)
    found = stacked("RMSprop", given, rates, momenta, values)
    assert_as_alone("RMSprop", given, rates, momenta, values, found, 1e-10, 1e-12)


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"), [(torch.float64, 1e-10, 1e-12), (torch.float32, 1e-5, 5e-6)]
)
@pytest.mark.parametrize("case", SCHEDULE_FREE)
def test_schedule_free_is_evaluated_where_its_package_evaluates(case, dtype, rtol, atol):
    """After 1, 25, 50 and 60 steps; the package's own way back to training rounds a little."""
    given = arguments("AdamWScheduleFree", case)
    rates, momenta = schedules(given)
    values = draws(3, dtype=dtype)
    parameters = [start.clone() for start in values[0]]
    update = optimizers.build_update("AdamWScheduleFree", parameters, given)
    assert all(x.equal(y) for x, y in zip(update.averaged(parameters), parameters, strict=True))
    found = []
    for start, end in [(0, 1), (1, 25), (25, 50), (50, 60)]:
        part = slice(start, end)
        go(update, parameters, rates[part], momenta[part], values[1:][part], start)
        before = [y.clone() for y in parameters]
        found.append(update.averaged(parameters))
        assert all(y.equal(old) for y, old in zip(parameters, before, strict=True))
        if end > 1:  # the average of one is where it is
            assert not any(x.equal(y) for x, y in zip(found[-1], parameters, strict=True))
    for place, of_run in enumerate(given):
        weights = [nn.Parameter(start[place].clone()) for start in values[0]]
        optimizer = itself("AdamWScheduleFree", weights, of_run)
        expected = []
        for step, gradients in enumerate(values[1:]):
            optimizer.train()
            for group in optimizer.param_groups:
                group["lr"] = rates[step, place].item()
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient[place].clone()
            optimizer.step()
            if step + 1 in (1, 25, 50, 60):
                optimizer.eval()
                expected.append([weight.detach().clone() for weight in weights])
        for mine, theirs in zip(found, expected, strict=True):
            for x, of_package in zip(mine, theirs, strict=True):
                assert_close(x[place], of_package, rtol=rtol, atol=atol)


@pytest.mark.parametrize("power", [0.0, 2.0])
def test_schedule_free_waits_while_the_rate_is_zero(power):
    given = [{**_FREE, "weight_lr_power": power, "weight_decay": 0.1}] * 2
    rates, momenta = schedules(given)
    rates[:30, 0] = rates[10:50, 1] = 0.0
    values = draws(2, dtype=torch.float64)
    found = stacked("AdamWScheduleFree", given, rates, momenta, values)
    assert_as_alone("AdamWScheduleFree", given, rates, momenta, values, found, 1e-10, 1e-12)


@pytest.mark.parametrize("name", GIVEN)
def test_a_parameter_without_a_gradient_is_left_alone(name):
    given = arguments(name, "all")
    rates, momenta = schedules(given)
    values = draws(3)
    for of_step in values[1:]:
        of_step[1] = of_step[3] = None
    found = stacked(name, given, rates, momenta, values)
    for index in (1, 3):
        assert found[index].equal(values[0][index])
    assert_as_alone(name, given, rates, momenta, values, found)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_every_argument_of_a_run_is_its_own(name, case):
    """Were one run's arguments used for another, the runs would not end apart as torch's do."""
    given = arguments(name, case)
    values = [[tensor[:1].expand_as(tensor) for tensor in of_step] for of_step in draws(3)]
    rates = torch.full((STEPS, 3), 0.01, dtype=torch.float64)
    _, momenta = schedules(given, cycled=False)
    found = stacked(name, given, rates, momenta, values)
    for place in (1, 2):
        same = given[place] == given[0]
        assert found[0][place].equal(found[0][0]) == same


# Going on with some


@pytest.mark.parametrize("places", [[1], [2, 0], [0, 1, 2], [1, 1], [2, 2, 0]])
@pytest.mark.parametrize(("name", "case"), [(name, "all") for name in GIVEN])
def test_those_who_are_kept_go_on_as_before(name, case, places):
    given = arguments(name, case)
    rates, momenta = schedules(given)
    values = draws(3, dtype=torch.float64)
    whole = stacked(name, given, rates, momenta, values)
    parameters = [start.clone() for start in values[0]]
    update = optimizers.build_update(name, parameters, given)
    half = STEPS // 2
    go(update, parameters, rates[:half], momenta[:half], values[1 : half + 1], 0)
    update.keep(places)
    parameters = [parameter[places] for parameter in parameters]
    gradients = [[gradient[places] for gradient in of_step] for of_step in values[half + 1 :]]
    go(update, parameters, rates[half:, places], momenta[half:, places], gradients, half)
    for mine, all_runs in zip(parameters, whole, strict=True):
        assert_close(mine, all_runs[places], rtol=1e-12, atol=1e-14)
    assert all(len(tensor) == len(places) for tensor in update.state)


def test_the_state_is_all_that_a_step_changes():
    """What a step needs is in `state`: put back, the same step gives the same bits."""
    for name in GIVEN:
        given = arguments(name, "all")
        rates, momenta = schedules(given)
        values = draws(3)
        parameters = [start.clone() for start in values[0]]
        update = optimizers.build_update(name, parameters, given)
        go(update, parameters, rates[:10], momenta[:10], values[1:11], 0)
        changed = [*parameters, *update.state]
        before = [tensor.clone() for tensor in changed]
        rows = update.coefficients(rates[10:20], momenta[10:20], 10).float()
        for row, of_step in zip(rows, values[11:21], strict=True):
            update.apply(parameters, of_step, row)
        after = [tensor.clone() for tensor in changed]
        assert not any(a.equal(b) for a, b in zip(after, before, strict=True))
        for tensor, value in zip(changed, before, strict=True):
            tensor.copy_(value)
        for row, of_step in zip(rows, values[11:21], strict=True):
            update.apply(parameters, of_step, row)
        assert all(a.equal(b) for a, b in zip(changed, after, strict=True))


def test_plain_sgd_keeps_nothing():
    parameters = draws(3)[0]
    assert optimizers.build_update("SGD", parameters, SGD["plain"]).state == []
    assert len(optimizers.build_update("SGD", parameters, SGD["momentum"]).state) == len(SHAPES)


# To the bit


@pytest.mark.parametrize(
    "shape", [(), (1,), (1, 1), (2,), (3,), (7,), (3, 5), (13, 3, 3, 3), (129,), (16, 33)]
)
@pytest.mark.parametrize(
    ("name", "case"), [("Adam", "default"), *((name, "all") for name in GIVEN)]
)
def test_a_run_s_bits_do_not_depend_on_the_company(name, case, shape):
    steps, most = 20, 16
    given = (arguments(name, case) * 6)[:most]
    rates, momenta = schedules(given, steps)
    values = draws(most, [shape], steps)
    (together,) = stacked(name, given, rates, momenta, values)
    assert len({tuple(end.flatten().tolist()) for end in together}) == most
    generator = torch.Generator().manual_seed(math.prod(shape))
    for size in (2, 2, 3, 3, 5, 5, 16):
        places = torch.randperm(most, generator=generator)[:size].tolist()
        (found,) = stacked(
            name,
            [given[place] for place in places],
            rates[:, places],
            momenta[:, places],
            [[tensor[places] for tensor in of_step] for of_step in values],
        )
        assert found.equal(together[places])


# All parameters in a row


def test_parameters_are_views_that_a_gpu_loads_four_numbers_of_at_once():
    given = draws(3)[0]
    row = Row(given)
    assert len(row.views) == len(given)
    for view, before in zip(row.views, given, strict=True):
        assert view.equal(before)
        assert view.requires_grad
        assert view.untyped_storage().data_ptr() == row.values.untyped_storage().data_ptr()
        assert view.storage_offset() % 4 == view.stride(0) % 4 == 0
    used = sum(each[0].numel() for each in given)
    assert used <= row.values.shape[1] < used + 4 * len(given)
    with torch.no_grad():
        row.values.add_(1)
    assert all(v.equal(before + 1) for v, before in zip(row.views, given, strict=True))
    assert given[0].equal(draws(3)[0][0])  # copied


def test_weights_stand_apart_from_what_has_one_dimension():
    given = draws(3)[0]
    row = Row(given)
    whole = row.split(row.values, apart=False)
    assert [piece.data_ptr() for piece in whole] == [row.values.data_ptr()]
    weights, rest = row.split(row.values, apart=True)
    assert (weights.dim(), rest.dim()) == (3, 2)
    assert weights.shape[2] + rest.shape[1] == row.values.shape[1]
    for view, before in zip(row.views, given, strict=True):
        piece = weights if before.dim() > 2 else rest
        first = (view.data_ptr() - piece.data_ptr()) // view.element_size()
        assert 0 <= first <= piece.shape[-1] - view[0].numel()
    only = Row([given[0]])  # no biases, and no piece of none
    assert len(only.split(only.values, apart=True)) == 1


def test_gradients_are_joined_as_parameters_are():
    parameters, gradients = draws(3)[:2]
    row = Row(parameters)
    joined = row.join_gradients(gradients)
    assert joined.data_ptr() == row.gradients[0].untyped_storage().data_ptr()
    assert joined.shape == row.values.shape
    for view, gradient in zip(row.views, gradients, strict=True):
        first = view.storage_offset()
        found = joined[:, first : first + view[0].numel()].reshape(view.shape)
        assert found.equal(gradient)
    row.gradients[0].fill_(7)  # written where they belong, and not copied
    assert row.join_gradients([row.gradients[0], *gradients[1:]]).eq(7).any()
    assert row.join(gradients).equal(row.join_gradients(gradients))


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name in GIVEN for case in ("all", "decay_biases")]
)
def test_an_optimizer_moves_a_row_as_it_moves_each_parameter(name, case):
    given = arguments(name, case)
    rates, momenta = schedules(given)
    values = draws(3, dtype=torch.float64)
    expected = stacked(name, given, rates, momenta, values)
    row = Row(values[0])
    apart = case == "decay_biases"
    moved = row.split(row.values, apart)
    update = optimizers.build_update(name, moved, given)
    gradients = [row.split(row.join(of_step), apart) for of_step in values[1:]]
    go(update, moved, rates, momenta, gradients, 0)
    for view, end in zip(row.views, expected, strict=True):
        assert view.allclose(end, rtol=1e-12, atol=1e-14)
    used = torch.zeros_like(row.values, dtype=torch.bool)
    for view in row.views:
        used[:, view.storage_offset() : view.storage_offset() + view[0].numel()] = True
    assert (row.values[~used] == 0).all()  # between parameters nothing moves
    assert len(moved) == 1 + apart
