"""A hand-written endpoint of FastAPI and torch for the model of a bundle, as tutorials write it.

python tests/benchmarks/serving_by_hand.py BUNDLE PORT sync|async

A pydantic model of a row, a dict for each vocabulary, the model in inference mode; the endpoint is
``def``, which FastAPI runs in threads, or ``async def``.
"""

import sys
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, create_model

from torch_rechub.bundles import load_bundle


class Predictions(BaseModel):
    """The response."""

    predictions: list[float]


def make_app(path: str, kind: str) -> FastAPI:
    """The application."""
    bundle = load_bundle(path)
    model, preprocessor = bundle.model, bundle.preprocessor
    features = {feature.name: feature for feature in preprocessor.features()}
    vocabularies = {}
    for name, feature in features.items():
        if hasattr(feature, "vocab_size"):
            values = preprocessor.decode(name, np.arange(2, feature.vocab_size))
            vocabularies[name] = {value: i for i, value in enumerate(values.tolist(), 2)}
    numbers = [name for name in features if name not in vocabularies]
    fields: dict[str, Any] = dict.fromkeys(vocabularies, (str, ...))
    fields |= dict.fromkeys(numbers, (float, ...))
    body_type = create_model("Body", rows=(list[create_model("Row", **fields)], ...))

    def predictions(rows: list[Any]) -> Predictions:
        x = {
            name: torch.tensor([ids.get(getattr(row, name), 1) for row in rows])
            for name, ids in vocabularies.items()
        }
        x |= {name: torch.tensor([getattr(row, name) for row in rows]) for name in numbers}
        with torch.inference_mode():
            return Predictions(predictions=model(x).reshape(-1).tolist())

    app = FastAPI()

    if kind == "async":

        @app.post("/predict")
        async def predict_in_the_loop(body: body_type) -> Predictions:  # type: ignore[valid-type]
            return predictions(body.rows)  # type: ignore[attr-defined]

    else:

        @app.post("/predict")
        def predict_in_a_thread(body: body_type) -> Predictions:  # type: ignore[valid-type]
            return predictions(body.rows)  # type: ignore[attr-defined]

    return app


if __name__ == "__main__":
    torch.set_num_threads(1)
    app = make_app(sys.argv[1], sys.argv[3])
    uvicorn.run(app, port=int(sys.argv[2]), http="httptools", access_log=False)
