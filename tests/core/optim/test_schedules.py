"""Schedules by the step: their closed forms, torch's schedules, and what they refuse."""

import math

import pytest
import torch
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LinearLR

from torch_rechub.optim import WarmupConstant, WarmupCosine, WarmupLinear

T, RATES = 40, (0.5, 0.02)


def optimizer():
    w = [torch.nn.Parameter(torch.zeros(1)) for _ in RATES]
    return SGD([{"params": [p], "lr": rate} for p, rate in zip(w, RATES, strict=True)])


def rates_of(make, steps=T, opt=None):
    """The learning rates of each group in each step."""
    opt = optimizer() if opt is None else opt
    schedule, rates = make(opt), []
    for _ in range(steps):
        rates.append([group["lr"] for group in opt.param_groups])
        assert schedule.get_last_lr() == rates[-1]
        opt.step()
        schedule.step()
    return rates


def expected(curve, warmup, end, steps=T, total=T):
    """The formula of the docstring in plain numbers."""
    rows = []
    for t in range(steps):
        if t < warmup:
            factor = (t + 1) / warmup
        elif t < total:
            factor = end + (1 - end) * curve((t - warmup) / (total - warmup))
        else:
            factor = end
        rows.append([rate * factor for rate in RATES])
    return rows


CURVES = {
    WarmupCosine: lambda x: 0.5 * (1 + math.cos(math.pi * x)),
    WarmupLinear: lambda x: 1 - x,
}


def near(rows):
    return [pytest.approx(row, rel=1e-12) for row in rows]


@pytest.mark.parametrize("kind", CURVES)
@pytest.mark.parametrize("warmup", [0, 1, 7, T])
@pytest.mark.parametrize("end", [0.0, 0.1, 1.0])
def test_the_rate_of_each_step_is_that_of_the_formula(kind, warmup, end):
    found = rates_of(lambda o: kind(o, T, warmup_steps=warmup, end_factor=end), steps=T + 3)
    assert found == near(expected(CURVES[kind], warmup, end, steps=T + 3))


@pytest.mark.parametrize("warmup", [0, 7])
def test_a_constant_schedule_stays_at_the_full_rate(warmup):
    found = rates_of(lambda o: WarmupConstant(o, T, warmup_steps=warmup), steps=T + 3)
    assert found == near(expected(lambda x: 1.0, warmup, 1.0, steps=T + 3))


def test_the_cosine_is_the_one_of_torch():
    rate, end = RATES[0], 0.1
    single = [SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate) for _ in range(2)]
    ours = rates_of(lambda o: WarmupCosine(o, T, end_factor=end), opt=single[0])
    torchs = rates_of(lambda o: CosineAnnealingLR(o, T, eta_min=end * rate), opt=single[1])
    assert ours == near(torchs)


def test_the_line_and_the_warmup_are_those_of_torch():
    assert rates_of(lambda o: WarmupLinear(o, T, end_factor=0.25)) == near(
        rates_of(lambda o: LinearLR(o, 1.0, 0.25, T))
    )
    warmup = lambda o: LinearLR(o, 1 / 8, 1.0, 7)  # noqa: E731
    assert rates_of(lambda o: WarmupConstant(o, T, warmup_steps=8)) == near(rates_of(warmup))


def test_any_of_them_is_a_lambda_of_torch():
    def factor(t):
        return (t + 1) / 4 if t < 4 else 0.5 * (1 + math.cos(math.pi * (t - 4) / (T - 4)))

    ours = rates_of(lambda o: WarmupCosine(o, T, warmup_steps=4))
    assert ours == near(rates_of(lambda o: LambdaLR(o, factor)))


@pytest.mark.parametrize(("share", "steps"), [(0.0, 0), (0.1, 4), (0.11, 4), (0.5, 20), (1.0, T)])
def test_a_warmup_by_its_share_is_of_whole_steps(share, steps):
    by_share = rates_of(lambda o: WarmupLinear(o, T, warmup=share))
    assert by_share == near(rates_of(lambda o: WarmupLinear(o, T, warmup_steps=steps)))


def test_it_begins_anew_when_it_is_prepared():
    opt = optimizer()
    schedule = WarmupLinear(opt, warmup=0.5)
    assert [group["lr"] for group in opt.param_groups] == list(RATES)
    for total in (8, 4):
        schedule.prepare(total)
        found = []
        for _ in range(total):
            found.append([group["lr"] for group in opt.param_groups])
            opt.step()
            schedule.step()
        curve = CURVES[WarmupLinear]
        assert found == near(expected(curve, total // 2, 0.0, steps=total, total=total))


def test_a_rate_in_a_tensor_is_changed_in_place():
    rate = torch.tensor(0.5)
    opt = Adam([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = WarmupLinear(opt, warmup=0.5)
    schedule.prepare(4)
    assert opt.param_groups[0]["lr"] is rate
    assert float(rate) == 0.25


def test_its_state_is_the_step_alone():
    opt, again = optimizer(), optimizer()
    schedule = WarmupCosine(opt, T, warmup_steps=3)
    for _ in range(17):
        opt.step()
        schedule.step()
    other = WarmupCosine(again, T, warmup_steps=3)
    other.load_state_dict(schedule.state_dict())
    assert [g["lr"] for g in again.param_groups] == [g["lr"] for g in opt.param_groups]
    assert other.get_last_lr() == expected(CURVES[WarmupCosine], 3, 0.0)[17]


def test_without_the_number_of_steps_it_says_what_to_do():
    opt = optimizer()
    schedule = WarmupLinear(opt)
    opt.step()
    with pytest.raises(RuntimeError, match=r"WarmupLinear does not know .* total_steps.*prepare"):
        schedule.step()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"warmup": 1.5}, "warmup must be at least 0 and at most 1, got 1.5"),
        ({"warmup": math.nan}, "warmup must be"),
        ({"end_factor": -0.1}, "end_factor must be at least 0"),
        ({"warmup_steps": -1}, "warmup_steps must be at least 0, got -1"),
        ({"warmup_steps": 2.5}, "warmup_steps must be a whole number"),
        ({"total_steps": 0}, "total_steps must be at least 1, got 0"),
        ({"warmup": 0.1, "warmup_steps": 5}, "give warmup=0.1, .*, or warmup_steps=5"),
        ({"warmup_steps": 11, "total_steps": 10}, "warmup_steps=11 is more than the 10 steps"),
    ],
)
def test_impossible_numbers_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        WarmupCosine(optimizer(), **arguments)
