"""HSTUModel: its inputs and its scores by hand, and what padding must not change."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F

from torch_rechub.models.generative import HSTUModel
from warm_python import run_script

V, L = 20, 8
SIZES = {
    "d_model": 6,
    "n_heads": 2,
    "n_layers": 2,
    "dqk": 3,
    "dv": 4,
    "max_seq_len": L,
    "num_time_buckets": 9,
}
KINDS = {
    "default": {},
    "own output": {"tie_embeddings": False},
    "cosines": {"score_norm": "l2", "temperature": 0.2},
    "own cosines": {"score_norm": "l2", "temperature": 0.2, "tie_embeddings": False},
    "no biases": {"use_output_bias": False, "tie_embeddings": False, "temperature": 2.0},
    "no bias": {"use_output_bias": False},
    "no time": {"use_time_embedding": False},
    "scaled": {"scale_input_embedding": True},
    "log": {"time_bucket_fn": "log", "time_bucket_divisor": 2.0, "time_bucket_unit": "seconds"},
}


@pytest.fixture
def make(randomized):
    def make(**kwargs):
        # padding's own row as well: training moves it where the output uses the same table
        return randomized(HSTUModel(V, **{**SIZES, **kwargs})).eval()

    return make


@pytest.fixture
def model(make):
    return make()


def batch(length=L):
    """Whole, padded left, padded right, padding alone; and times that are padded too."""
    x = torch.randint(1, V, (4, length))
    x[1, : length // 3] = 0
    x[2, length // 2 :] = 0
    x[3] = 0
    return x, torch.randint(0, 6000, (4, length)).sort(descending=True).values * (x != 0)


def bucket(seconds, n, fn="sqrt", divisor=1.0, unit="minutes"):
    x = seconds / {"minutes": 60, "seconds": 1}[unit]
    return min(int((math.sqrt(x) if fn == "sqrt" else math.log(max(x, 1))) / divisor), n)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_its_formula_around_the_block(make, kind):
    model = make(**KINDS[kind])
    settings = {"tie_embeddings": True, "score_norm": "none", "temperature": 1.0, **KINDS[kind]}
    state = model.state_dict()
    x, times = batch()
    h = torch.zeros(4, L, 6)
    for b in range(4):
        position = 0
        for t in range(L):
            if x[b, t] != 0:
                scale = math.sqrt(6) if kind == "scaled" else 1.0
                h[b, t] = state["token_embedding.weight"][x[b, t]] * scale
                h[b, t] += state["position_embedding.weight"][position]
                if kind != "no time":
                    names = ("fn", "divisor", "unit")
                    given = {n: settings[k] for n in names if (k := f"time_bucket_{n}") in settings}
                    before = t - 1 if position else t  # the first event is of bucket 0
                    row = bucket(int(times[b, before] - times[b, t]), 8, **given)
                    h[b, t] += state["time_embedding.weight"][row]
                position += 1
    h = model.hstu_block(h, x != 0, times)
    expected = torch.zeros(4, L, V)
    tied = settings["tie_embeddings"]
    weight = state["token_embedding.weight" if tied else "output_projection.weight"]
    bias = state.get("output_bias" if tied else "output_projection.bias", torch.zeros(V))
    for b in range(4):
        for t in range(L):
            for v in range(V):
                score = sum(p * q for p, q in zip(h[b, t].tolist(), weight[v].tolist()))
                if settings["score_norm"] == "l2":
                    score /= max(h[b, t].norm().item(), 1e-6) * max(weight[v].norm().item(), 1e-6)
                expected[b, t, v] = (score + bias[v].item()) / settings["temperature"]
    torch.testing.assert_close(model(x, times), expected, atol=1e-4, rtol=1e-4)


def test_without_times_all_events_are_of_one_moment(make):
    x, _ = batch()
    model = make()
    torch.testing.assert_close(model(x), model(x, torch.zeros_like(x)))
    # but where x has no term of time, attention has none either
    model = make(use_time_embedding=False)
    with torch.no_grad():
        timed = model(x, torch.zeros_like(x))
        for layer in model.hstu_block.layers:
            layer.rab.ts_w.zero_()
    assert (model(x) - timed).abs().max() > 0.01
    torch.testing.assert_close(model(x), model(x, torch.zeros_like(x)))


def test_an_output_never_sees_what_comes_later(model):
    x, times = batch()
    y = model(x, times)
    for t in range(1, L):
        other, later = x.clone(), times.clone()
        other[:, t:] = torch.randint(1, V, (4, L - t))
        later[:, t:] += 4321
        torch.testing.assert_close(model(other, later)[:, :t], y[:, :t])


@pytest.mark.parametrize(("left", "right"), [(3, 0), (0, 3), (2, 1)])
def test_padding_at_either_end_says_nothing(model, left, right):
    x, times = batch(5)
    y = model(x, times)
    padded = model(F.pad(x, (left, right)), F.pad(times, (left, right), value=99))
    torch.testing.assert_close(padded[:, left : left + 5], y)
    assert (y[x != 0].std(dim=0) > 0.01).all()


def test_hidden_states_of_padding_are_zero(model):
    x, times = batch()
    h = model.encode(x, times)
    assert (h[x == 0] == 0).all()
    assert (h[x != 0] != 0).any(dim=1).all()
    assert model(x, times).isfinite().all()
    torch.testing.assert_close(model.score(h), model(x, times))


def test_times_count(model):
    x, times = batch()
    assert (model(x, times) - model(x, times * 5))[x != 0].abs().max() > 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, L), (3, 1)])
def test_one_row_and_one_token(model, shape):
    x = torch.randint(1, V, shape)
    assert model(x, torch.zeros_like(x)).shape == (*shape, V)
    assert model(x).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_tokens_of_any_integer_type(model, dtype):
    x, times = batch()
    assert model(x.to(dtype), times.float()).equal(model(x, times))


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_reaches_every_weight(make, kind):
    model = make(**KINDS[kind])
    x, times = batch()
    F.cross_entropy(model(x, times).flatten(0, 1), x.flatten()).backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or (p.grad == 0).all()]
    assert without == []


def test_sequences_that_are_too_long_are_refused(model):
    with pytest.raises(ValueError, match=f"{L + 1} positions, but max_seq_len={L}"):
        model(torch.ones(2, L + 1, dtype=torch.long))


@pytest.mark.parametrize("token", [V, -1])
def test_a_token_outside_the_vocabulary_is_named(model, token):
    with pytest.raises(IndexError, match=rf"'tokens': id {token} .* vocab_size={V}"):
        model(torch.tensor([[3, token]]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score_norm": "l1"}, "score_norm must be 'none' or 'l2', got 'l1'"),
        ({"temperature": 0}, "temperature must be above 0, got 0"),
        ({"time_bucket_fn": "cbrt"}, "time_bucket_fn must be"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HSTUModel(V, **SIZES, **arguments)


def test_a_seed_gives_the_same_model():
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(HSTUModel(V, **SIZES).state_dict())
    same = [all(torch.equal(states[0][k], s[k]) for k in s) for s in states]
    assert same == [True, True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_survive_a_file(make, kind, tmp_path):
    model, other = make(**KINDS[kind]), make(**KINDS[kind])
    x, times = batch()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    assert not other(x, times).equal(model(x, times))
    other.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True))
    assert other(x, times).equal(model(x, times))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
def test_a_copy_computes_the_same_and_is_independent(model, copied):
    x, times = batch()
    y = model(x, times)
    twin = copied(model)
    assert twin(x, times).equal(y)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert model(x, times).equal(y)


def test_the_state_dicts_have_the_names_of_0_9():
    names = set(HSTUModel(V, **SIZES).state_dict())
    tables = {f"{n}_embedding.weight" for n in ("token", "position", "time")}
    assert {n for n in names if not n.startswith("hstu_block.layers.")} == tables | {"output_bias"}
    for kind, different in {
        "own output": {"output_bias", "output_projection.weight", "output_projection.bias"},
        "no bias": {"output_bias"},
        "no biases": {"output_bias", "output_projection.weight"},
        "no time": {"time_embedding.weight"},
    }.items():
        assert set(HSTUModel(V, **SIZES, **KINDS[kind]).state_dict()) ^ names == different
    shapes = {n: tuple(v.shape) for n, v in HSTUModel(V, **SIZES).state_dict().items()}
    assert shapes["time_embedding.weight"] == (9, 6)
    assert shapes["hstu_block.layers.1.rab.ts_w"] == (10, 2)


@pytest.mark.parametrize("trained", [False, True])
def test_a_compiled_model_computes_the_same(model, trained):
    compiled = torch.compile(copy.deepcopy(model), backend="eager", fullgraph=True)
    x, times = batch()
    torch.testing.assert_close(compiled(x, times), model(x, times))
    if trained:
        compiled(x, times).square().sum().backward()
        model(x, times).square().sum().backward()
        for name, parameter in model.named_parameters():
            found = compiled.get_parameter(f"_orig_mod.{name}").grad
            torch.testing.assert_close(found, parameter.grad)


def test_the_models_need_no_transformers():
    script = (
        "import sys; sys.modules['transformers'] = None\n"
        "from torch_rechub.models.generative import *\n"
        "HSTUModel(5, d_model=4, n_heads=1, n_layers=1)"
    )
    done = run_script(["-c", script])
    assert done.returncode == 0, done.stderr
