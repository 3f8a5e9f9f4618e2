"""A step of a long sequence is scored as the last step of the sequence that ends there.

Models that are trained at every step are served at the last one: both must see the same.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers import T5Config

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.basic.layers.relative_bias import TimeSpans
from torch_rechub.models.generative import HLLMModel, HSTUModel, TIGERModel
from torch_rechub.models.matching import SASRec
from torch_rechub.models.ranking import DIEN
from torch_rechub.trainers import SeqTrainer
from torch_rechub.utils.data import SequenceDataGenerator

V, L, B, D = 30, 7, 5, 8
PADDING = [(0, 0), (3, 0), (0, 3), (2, 1)]
HSTU_SIZES = {"d_model": D, "n_heads": 2, "n_layers": 2, "dqk": 4, "dv": 4, "max_seq_len": L + 3}
HLLM_SIZES = {"d_model": D, "n_heads": 2, "n_layers": 2, "max_seq_len": L + 3}
SECONDS = {"time_bucket_fn": "log", "time_bucket_unit": "seconds", "time_bucket_divisor": 0.3}
MODELS = {
    "HSTU": lambda **more: HSTUModel(V, **HSTU_SIZES, **more),
    "HSTU, cosines": lambda **more: HSTUModel(V, **HSTU_SIZES, score_norm="l2", **more),
    "HSTU, seconds": lambda **more: HSTUModel(V, **HSTU_SIZES, **SECONDS, **more),
    "HSTU, no time": lambda **more: HSTUModel(V, **HSTU_SIZES, use_time_embedding=False, **more),
    "HLLM": lambda **more: HLLMModel(torch.randn(V, D), V, **HLLM_SIZES, **more),
    "HLLM, log": lambda **more: HLLMModel(
        torch.randn(V, D), V, **HLLM_SIZES, time_bucket_fn="log", **more
    ),
    "HLLM, no bias": lambda **more: HLLMModel(
        torch.randn(V, D), V, **HLLM_SIZES, use_rel_pos_bias=False, **more
    ),
}
TIMED = [name for name in MODELS if "no time" not in name]


@pytest.fixture
def make(randomized):
    return lambda name, **more: randomized(MODELS[name](**more)).double().eval()


def histories():
    """Tokens (B, L), the moments of the events, and the moment of the request after the last."""
    moments = torch.randint(1, 90_000, (B, L + 1)).cumsum(dim=1) + 1_700_000_000
    return torch.randint(1, V, (B, L)), moments[:, :L], moments[:, L:]


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("left", "right"), PADDING)
@pytest.mark.parametrize("name", MODELS)
def test_a_step_of_a_sequence_is_the_last_step_of_the_sequence_cut_there(make, name, left, right):
    model, (tokens, moments, _) = make(name), histories()
    pad = (left, right)
    whole = model(F.pad(tokens, pad), F.pad(moments[:, -1:] - moments, pad))[:, left : left + L]
    for n in range(1, L + 1):
        seconds = moments[:, n - 1 : n] - moments[:, :n]  # before the last event of the piece
        same(model(tokens[:, :n], seconds)[:, -1], whole[:, n - 1])
        shift = (0, L - n) if left else (L - n, 0)  # the piece as a loader of length L pads it
        piece = model(F.pad(tokens[:, :n], shift), F.pad(seconds, shift))
        same(piece[:, n - 1 if left else -1], whole[:, n - 1])


@pytest.mark.parametrize("name", TIMED)
def test_times_may_count_to_or_from_any_moment(make, name):
    model, (tokens, moments, request) = make(name), histories()
    expected = model(tokens, moments[:, -1:] - moments)
    for times in (request - moments, moments, moments - moments[:, :1], moments.double()):
        same(model(tokens, times), expected)
    assert (model(tokens, 3 * moments) - expected).abs().max() > 1e-3


@pytest.mark.parametrize(("left", "right"), PADDING)
@pytest.mark.parametrize("name", TIMED)
def test_times_until_a_request_are_those_of_the_request_of_the_piece(make, name, left, right):
    model, (tokens, moments, request) = make(name, time_reference="request"), histories()
    pad = (left, right)
    whole = model(F.pad(tokens, pad), F.pad(request - moments, pad, value=5))[:, left : left + L]
    requests = torch.cat([moments[:, 1:], request], dim=1)
    for n in range(1, L + 1):
        seconds = requests[:, n - 1 : n] - moments[:, :n]
        same(model(tokens[:, :n], seconds)[:, -1], whole[:, n - 1])
    later = model(tokens, request + 10**6 - moments)  # the same history, asked of later
    same(later[:, :-1], whole[:, :-1])
    assert (later[:, -1] - whole[:, -1]).abs().max() > 1e-3


def test_spans_are_those_of_a_timeline():
    times = torch.tensor([[0, 0, 500, 440, 100], [500, 440, 100, 9, 9], [7, 8, 9, 7, 8]])
    valid = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()
    previous, request = TimeSpans()(times, valid), TimeSpans("request")(times, valid)
    assert previous[valid].tolist() == [0, 60, 340, 0, 60, 340]
    assert request[valid].tolist() == [60, 340, 100, 60, 340, 100]


@pytest.mark.parametrize("name", ["HSTU", "HLLM"])
def test_another_reference_of_times_is_refused(name):
    with pytest.raises(ValueError, match="must be 'previous' or 'request', got 'end'"):
        MODELS[name](time_reference="end")


@pytest.mark.parametrize("name", ["HSTU", "HLLM"])
def test_a_trainer_evaluates_a_sequence_as_its_pieces(make, name, tmp_path):
    model, (tokens, moments, _) = make(name), histories()
    targets = torch.randint(1, V, (B,))
    following = torch.cat([tokens[:, 1:], targets.unsqueeze(1)], dim=1)
    trainer = SeqTrainer(model, model_path=tmp_path, progress=False)

    def loader(tokens, targets, seconds):
        positions = torch.arange(L).expand(len(tokens), L)
        data = SequenceDataGenerator(tokens, positions, targets, seconds)
        return data.generate_dataloader(batch_size=4, shuffle=False)[0]

    whole = loader(tokens, targets, moments[:, -1:] - moments)
    losses, ranks = [], []
    for n in range(1, L + 1):
        seconds = moments[:, n - 1 : n] - moments[:, :n]
        x = F.pad(tokens[:, :n], (L - n, 0)), F.pad(seconds, (L - n, 0))
        scores = model(*x)[:, -1]
        scores[:, 0] = -math.inf
        losses.append(F.cross_entropy(scores, following[:, n - 1]))
        piece = trainer.evaluate_topk(loader(x[0], following[:, n - 1], x[1]), topKs=[5])
        ranks.append((scores > scores.gather(1, following[:, n - 1 : n])).sum(dim=1) + 1)
        assert piece["hit@5"] == pytest.approx((ranks[-1] <= 5).double().mean().item())
    assert trainer.evaluate(whole)[0] == pytest.approx(torch.stack(losses).mean().item(), rel=1e-9)
    found = trainer.evaluate_topk(whole, topKs=[3])["mrr@3"]
    assert found == pytest.approx(torch.where(ranks[-1] <= 3, 1 / ranks[-1], 0).mean().item())


def test_sasrec_scores_a_step_as_its_user_tower_serves_it(randomized):
    names = (("seq", None), ("pos", "seq"), ("neg", "seq"))
    features = [SequenceFeature(n, V, D, "concat", shared_with=s) for n, s in names]
    model = randomized(SASRec(features, L + 3, 0.0, 2, 2)).double().eval()
    tokens, following = histories()[0], torch.randint(1, V, (B, L))
    for pad in PADDING:
        x = {name: F.pad(ids, pad) for name, ids in (("seq", tokens), ("pos", following))}
        scores = model({**x, "neg": x["pos"]})[0][:, pad[0] : pad[0] + L]
        for n in range(1, L + 1):
            user = model.user_tower({"seq": tokens[:, :n]})
            item = model.item_tower({"pos": following[:, n - 1 : n]})
            same((user * item).sum(dim=1), scores[:, n - 1])


def test_tiger_scores_a_code_from_the_history_and_the_codes_before_it(randomized):
    config = T5Config(
        vocab_size=V, d_model=D, d_kv=4, d_ff=16, num_layers=2, num_heads=2,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = randomized(TIGERModel(config)).double().eval()
    history, codes = torch.randint(2, V, (B, L)), torch.randint(2, V, (B, 4))
    whole = model(input_ids=history, labels=codes).logits
    for n in range(1, 5):
        same(model(input_ids=history, labels=codes[:, :n]).logits[:, -1], whole[:, n - 1])


def test_the_auxiliary_loss_of_dien_is_the_sum_of_those_of_its_steps(randomized):
    item = SparseFeature("item", V, D)
    steps, others = (
        SequenceFeature(name, V, D, "concat", shared_with="item") for name in ("steps", "others")
    )
    model = DIEN([], [steps], [others], [item], {"dims": [4]}, alpha=1.0)
    randomized(model).double().eval()
    x = {"steps": histories()[0][:1], "others": histories()[0][:1], "item": torch.tensor([3])}
    sums = []
    for n in range(1, L + 1):
        cut = {**x, "steps": x["steps"][:, :n], "others": x["others"][:, :n]}
        sums.append(model.logits(cut)[1].item() * (n - 1))  # a mean over the n − 1 steps
    for n in range(1, L):  # the step added: σ of the state at n against what followed, and did not
        e, negative = (model.embedding.table("item")[x[k][0]].double() for k in ("steps", "others"))
        h = model.interest_extractor_layers[0](e[:n].unsqueeze(0))[0][0, -1]
        added = F.softplus(-(h @ e[n])) + F.softplus(h @ negative[n])
        assert sums[n] - sums[n - 1] == pytest.approx(added.item(), abs=1e-10)
