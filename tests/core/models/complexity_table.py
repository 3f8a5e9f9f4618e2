"""Models of any size, to measure how their cost grows: see `test_complexity.py`."""

from itertools import pairwise

import torch

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models import generative, matching, multi_task, ranking

R, M, G = ranking, matching, generative
IDS = 10
MLP = {"dims": [8]}


def weights(*widths):
    return sum(a * b for a, b in pairwise(widths))


def network(width):
    """The weights of `MLP` over an input."""
    return {"|MLP|": weights(width, 8, 1)}


def fields(n, width, ids=IDS):
    return [SparseFeature(f"f{i}", ids, width) for i in range(n)]


def steps(name, width, owner=None):
    return SequenceFeature(f"steps {name}", IDS, width, "concat", shared_with=owner)


def histories(n, width):
    return [steps(k, width) for k in range(n)], [
        SparseFeature(f"t{k}", IDS, width) for k in range(n)
    ]


def retrieval(width, user_width):
    negatives = SequenceFeature("negatives", IDS, width, "concat", shared_with="item")
    items = [SparseFeature("item", IDS, width)], [negatives]
    return [SparseFeature("user", IDS, user_width)], [steps("h", width, "item")], *items


def dien(K, L, D):
    past, targets = histories(K, D)
    return R.DIEN([], past, [steps(f"not {k}", D) for k in range(K)], targets, MLP)


def ffm(model, *args):
    return lambda F, D, **k: model(fields(F, 1), fields(F, D, IDS * F), D, *k.values(), MLP)


def interests(model, **kwargs):
    return lambda L, D, K, d, n: model(*retrieval(D, d), interest_num=K, **kwargs)


def sasrec(L, D, N):
    return M.SASRec(
        [steps("h", D), steps("next", D, "steps h"), steps("not", D, "steps h")], 99, num_blocks=N
    )


def session(model, item=False):
    def make(L, D, H=None, V=IDS):
        history = SequenceFeature("steps", V, D, "concat")
        given = (history, 0.1, 0.1) if H is None else (history, H, 0.0, 0.0)
        return model(*given, item_feature=SparseFeature("item", V, D) if item else None)

    return make


def tasks(n):
    return ["classification"] * n


def pepnet(F, D, c, p, T, w):
    prior = [[SparseFeature(name, IDS, width)] for name, width in (("c", c), ("p", p))]
    return multi_task.PEPNet(fields(F, D), *prior, tasks(T), [{"dims": [w, w]}] * T)


# model, and the beginning of the case that its docstring distinguishes: sizes, how it is made of
# them, and the letters of the formula that are no sizes.
CASES = {
    "AFM": ({"F": 8, "D": 16, "t": 16}, lambda F, D, t: R.AFM(fields(F, D), D, t), None),
    "AutoInt": (
        {"F": 8, "D": 16, "L": 2},
        lambda F, D, L: R.AutoInt(fields(F, D), [], L, 2, mlp_params=MLP),
        lambda F, D, L: network(F * D),
    ),
    "BST": (
        {"L": 8, "D": 16, "N": 2, "H": 32},
        lambda L, D, N, H: R.BST(
            [], *histories(1, D), MLP, 2, num_layers=N, max_seq_len=99, dim_feedforward=H
        ),
        lambda L, D, N, H: network(2 * D),
    ),
    "DCN": (
        {"F": 8, "D": 16, "L": 2},
        lambda F, D, L: R.DCN(fields(F, D), L, MLP),
        lambda F, D, L: {"d": F * D, **network(F * D)},
    ),
    "DCNv2": (
        {"F": 4, "D": 16, "L": 2, "K": 3, "r": 8},
        lambda F, D, L, K, r: R.DCNv2(fields(F, D), L, MLP, low_rank=r, num_experts=K),
        lambda F, D, L, K, r: {"d": F * D, **network(F * D)},
    ),
    "DCNv2, use_low_rank_mixture=False": (
        {"F": 4, "D": 16, "L": 2},
        lambda F, D, L: R.DCNv2(fields(F, D), L, MLP, use_low_rank_mixture=False),
        lambda F, D, L: {"d": F * D, **network(F * D)},
    ),
    "DeepFFM": (
        {"F": 6, "D": 8},
        ffm(R.DeepFFM),
        lambda F, D: network(F * (F - 1) // 2 * D),
    ),
    "FatDeepFFM": (
        {"F": 8, "D": 8, "r": 4},
        ffm(R.FatDeepFFM),
        lambda F, D, r: network(F * (F - 1) // 2 * D),
    ),
    "DIEN": ({"K": 1, "L": 4, "D": 16}, dien, lambda K, L, D: network(2 * K * D)),
    "DIN": (
        {"K": 2, "L": 8, "D": 16},
        lambda K, L, D: R.DIN([], *histories(K, D), MLP, MLP),
        lambda K, L, D: {"|ActivationUnit|": weights(4 * D, 8, 1), **network(2 * K * D)},
    ),
    **{
        f"EDCN{case}": (
            {"F": 4, "D": 8, "L": 2},
            lambda F, D, L, bridge=bridge: R.EDCN(fields(F, D), L, MLP, bridge),
            lambda F, D, L: {"d": F * D, "|MLP|": weights(F * D, 8, F * D)},
        )
        for case, bridge in (
            ("", "hadamard_product"),
            (', "concatenation"', "concatenation"),
            (', "concatenation", "attention_pooling"', "attention_pooling"),
        )
    },
    "FiBiNet": (
        {"F": 6, "D": 16},
        lambda F, D: R.FiBiNet(fields(F, D), MLP),
        lambda F, D: network(F * (F - 1) * D),
    ),
    'FiBiNet, "field_all"': (
        {"F": 6, "D": 16},
        lambda F, D: R.FiBiNet(fields(F, D), MLP, bilinear_type="field_all"),
        lambda F, D: network(F * (F - 1) * D),
    ),
    "FinalMLP": (
        {"F": 4, "D": 8, "o": 16, "H": 2},
        lambda F, D, o, H: R.FinalMLP(
            fields(F, D), fields(F // 2, D), fields(F // 2, D), {"dims": [o]}, {"dims": [o]}, H
        ),
        lambda F, D, o, H: {"d": F * D, "|o_1|": o, "|o_2|": o, "|MLP|": 2 * F * D * o},
    ),
    "GDCN": (
        {"F": 4, "D": 16, "L": 2},
        lambda F, D, L: R.GDCN(fields(F, D), L, MLP),
        lambda F, D, L: {"d": F * D, **network(F * D)},
    ),
    "MaskNet": (
        {"F": 4, "K": 2, "ρ": 2},
        lambda F, K, ρ: R.MaskNet(fields(F, 8), [8 * F] * K, ratio=ρ),
        lambda F, K, ρ: {"w": 8 * F, "|MLP|": 8 * F},
    ),
    'PNN, "outer"': (
        {"F": 6, "D": 8},
        lambda F, D: R.PNN(fields(F, D), MLP, "outer"),
        lambda F, D: network(F * D + D * D),
    ),
    "XDeepFM": (
        {"F": 6, "D": 8, "H": 8},
        lambda F, D, H: R.XDeepFM(fields(F, D), MLP, [H, H, H]),
        lambda F, D, H: {"Σ_k H_k H_{k−1}": H * F + 2 * H * H, **network(F * D)},
    ),
    "ComirecDR": (
        {"L": 8, "D": 16, "K": 4, "d": 8, "n": 6},
        interests(M.ComirecDR, max_length=99),
        None,
    ),
    "ComirecSA": ({"L": 8, "D": 16, "K": 4, "d": 8, "n": 6}, interests(M.ComirecSA), None),
    "GRU4Rec": (
        {"D": 16, "n": 8, "L": 8, "N": 2},
        lambda D, n, L, N: M.GRU4Rec(*retrieval(D, 4), {"dims": [D], "num_layers": N}),
        lambda D, n, L, N: {"H": D, "|MLP|": (D + 4) * D},
    ),
    "MIND": ({"L": 8, "D": 16, "K": 4, "d": 8, "n": 6}, interests(M.MIND, max_length=99), None),
    "NARM": ({"L": 8, "D": 16, "H": 16, "V": 100}, session(M.NARM), None),
    "NARM, item_feature": ({"L": 8, "D": 16, "H": 16}, session(M.NARM, item=True), None),
    "SASRec": ({"L": 8, "D": 16, "N": 2}, sasrec, None),
    "SINE": (
        {"L": 8, "D": 16, "h": 16, "K": 3, "N": 20, "H": 2, "n": 6},
        lambda L, D, h, K, N, H, n: M.SINE(
            ["steps"], ["item"], ["negatives"], IDS, D, h, N, K, 99, H
        ),
        None,
    ),
    "STAMP": ({"L": 8, "D": 16, "V": 100}, session(M.STAMP), None),
    "STAMP, item_feature": ({"L": 8, "D": 16}, session(M.STAMP, item=True), None),
    "YoutubeDNN": (
        {"D": 16, "n": 8},
        lambda D, n: M.YoutubeDNN(fields(2, 8), *retrieval(D, 4)[2:], {"dims": [D]}),
        lambda D, n: {"|MLP|": 16 * D},
    ),
    "AITM": (
        {"T": 3, "k": 64},
        lambda T, k: multi_task.AITM(fields(4, 8), T, {"dims": [k]}, [MLP] * T),
        lambda T, k: {"|MLP|": T * (32 * k + weights(k, 8, 1))},
    ),
    "MMOE": (
        {"F": 4, "T": 2, "n": 3, "D": 16},
        lambda F, T, n, D: multi_task.MMOE(fields(F, 8), tasks(T), n, {"dims": [D]}, [MLP] * T),
        lambda F, T, n, D: {"d": 8 * F, "|MLP|": n * 8 * F * D + T * weights(D, 8, 1)},
    ),
    "PEPNet": (
        {"F": 4, "D": 8, "c": 16, "p": 16, "T": 1, "w": 16},
        pepnet,
        lambda F, D, c, p, T, w: {
            "d": F * D,
            "Σ_l w_l (P + w_l)": 2 * T * w * (F * D + p + T * w),
            "|MLP|": T * weights(F * D, w, w, 1),
        },
    ),
    "PLE": (
        {"T": 1, "m": 1, "n": 2, "L": 2, "D": 32},
        lambda T, m, n, L, D: multi_task.PLE(
            fields(4, 8), tasks(T), L, m, n, {"dims": [D]}, [MLP] * T
        ),
        lambda T, m, n, L, D: {
            "w": max(32, D),
            "|MLP|": (T * m + n) * (32 * D + (L - 1) * D * D) + T * weights(D, 8, 1),
        },
    ),
    "HLLMModel": (
        {"L": 8, "D": 16, "N": 2, "V": 50},
        lambda L, D, N, V: G.HLLMModel(torch.randn(V, D), V, D, 2, N, 99),
        None,
    ),
    "HSTUModel": (
        {"L": 8, "D": 16, "N": 2, "H": 2, "dv": 8, "dqk": 8, "V": 50},
        lambda L, D, N, H, dv, dqk, V: G.HSTUModel(V, D, H, N, dqk, dv, 99),
        None,
    ),
    "RQVAEModel": (
        {"D": 16, "K": 32, "M": 3},
        lambda D, K, M: G.RQVAEModel(32, [K] * M, D, [16]),
        lambda D, K, M: {"Σ_m K_m": K * M, "|MLP|": 2 * weights(32, 16, D)},
    ),
}
