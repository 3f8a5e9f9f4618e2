"""AutoInt against its formula, row by row."""

import pytest
import torch

from torch_rechub.models.ranking import AutoInt


@pytest.mark.parametrize("dims", [None, [], [6, 3]])
@pytest.mark.parametrize("dense", [["age", "pair"], []])
def test_it_is_its_formula(dense, dims, f, rows, batch, naive, randomized):
    sparse, dense = [f[n] for n in ("user", "tags", "item")], [f[n] for n in dense]
    params = None if dims is None else {"dims": dims, "dropout": 0.4}
    model = randomized(AutoInt(sparse, dense, 2, 2, 0.5, params)).eval()
    parts = naive(model.state_dict())
    for row, p in zip(rows, model(batch).tolist()):
        e = [parts.embedding("sparse_embedding.", s, row[s.name]) for s in sparse]
        for feature in dense:
            weight = parts.state[f"dense_embeddings.{feature.name}.weight"]
            e.append([parts.dot(w, parts.dense(row[feature.name])) for w in weight])
        flat = [v for field in e for v in field]
        read = torch.tensor(e).unsqueeze(0)
        for layer in model.interacting_layers:
            read = layer(read)
        logit = parts.linear("linear.fc.", flat)[0]
        logit += parts.linear("attn_linear.", read.flatten().tolist())[0]
        if dims is not None:
            logit += parts.mlp("mlp.mlp.", flat, len(dims))[0]
        assert p == pytest.approx(parts.sigmoid(logit), abs=1e-5)


def test_a_model_without_fields_is_refused_when_it_is_made(f):
    with pytest.raises(ValueError, match=r"sparse_features must hold .* got none"):
        AutoInt([], [f["age"]])
    with pytest.raises(ValueError, match="the width 4 must be a multiple of num_heads=3"):
        AutoInt([f["user"]], [], num_heads=3)
