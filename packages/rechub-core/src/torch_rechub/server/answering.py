"""Answers of a loaded bundle to requests: their form, their checks, and the rows of a batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from ..data.preprocessing import RowEncoder
from .exchange import Refused
from .settings import Settings

Rows = list[dict[str, Any]]

_IDS = (str, int, float, bool)  # types of JSON that raw ids may have


def checked_rows(body: Any, name: str, most: int) -> Rows:
    """Return the rows of a request's body, an object with the key `name`.

    Args:
        body: The parsed JSON.
        name: The key of the rows: a list of objects, or one object.
        most: Rows at most.

    Raises:
        Refused: The body has another form (422), or more rows (413).
    """
    if not isinstance(body, dict) or name not in body:
        raise Refused(422, f'the body must be an object such as {{"{name}": [{{…}}, …]}}')
    rows = body[name]
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        raise Refused(422, f"{name} must be a list of objects, or one object, got {_shown(rows)}")
    if len(rows) > most:
        raise Refused(413, f"{len(rows):,} {name} are more than {most:,}: send several requests")
    for i, row in enumerate(rows):
        if type(row) is not dict:
            raise Refused(422, f"{name}[{i}] must be an object of columns, got {_shown(row)}")
    return rows


def refuse_unknown(body: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse keys of a body that no endpoint reads, which would be ignored in silence."""
    if unknown := [key for key in body if key not in known]:
        raise Refused(422, f"the body has the key {_shown(unknown[0])}; known are {list(known)}")


class Predicting:
    """Answers ``POST /predict`` by a bundle of rows.

    Args:
        bundle: The bundle.
        settings: Limits.
    """

    path: ClassVar[str] = "/predict"

    def __init__(self, bundle: Any, settings: Settings) -> None:
        self._bundle, self._most_rows = bundle, settings.max_batch_rows
        self._limit = settings.max_rows
        self._predict = (_fast_predict if bundle.preprocessor else _plain_predict)(bundle)
        self._targets = list(bundle.targets)

    def read(self, body: Any) -> Rows:
        """Return the request of a body.

        Raises:
            Refused: The body has another form.
        """
        rows = checked_rows(body, "rows", self._limit)
        refuse_unknown(body, ("rows",))
        return rows

    @staticmethod
    def size(request: Rows) -> int:
        """The number of rows of a request."""
        return len(request)

    def answer(self, requests: Sequence[Rows]) -> list[dict[str, Any]]:
        """Return the predictions of requests, computed together.

        Raises:
            NotPlain: An answer would depend on the other requests.
            Refused: A row does not fit the schema (422), or its prediction is not finite (500).
        """
        rows = requests[0] if len(requests) == 1 else [row for rows in requests for row in rows]
        found = self._predictions(rows, len(requests) > 1) if rows else []
        answers, start = [], 0
        for request in requests:
            end = start + len(request)
            answers.append({"targets": self._targets, "predictions": found[start:end]})
            start = end
        return answers

    def _predictions(self, rows: Rows, joined: bool) -> list[Any]:
        try:
            found = self._predict(rows, self._most_rows, joined)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise Refused(422, str(error.args[0] if error.args else error)) from error
        if not np.isfinite(found).all():
            i = int(np.argmin(np.isfinite(found.reshape(len(rows), -1)).all(axis=1)))
            raise Refused(500, f"the model predicts {found[i]} for rows[{i}]: its weights overflow")
        predictions: list[Any] = found.tolist()
        return predictions


# from rows, the size of a batch, and whether the rows are of several requests
_Predict = Callable[[Rows, int, bool], npt.NDArray[Any]]


def _plain_predict(bundle: Any) -> _Predict:
    """Return `bundle.predict`."""

    def predict(rows: Rows, most: int, joined: bool) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = bundle.predict(rows, most)
        return found

    return predict


def _fast_predict(bundle: Any) -> _Predict:
    """Return `bundle.predict` for few rows, without the fixed costs of tables and loaders."""
    encode = RowEncoder(bundle.preprocessor).encode
    predictor, device = bundle.predictor, bundle.device
    on_cpu = device.type == "cpu"

    def predict(rows: Rows, most: int, joined: bool) -> npt.NDArray[Any]:
        # models read ids as int64, several times
        x = {
            name: torch.from_numpy(values.astype(np.int64) if values.dtype == np.int32 else values)
            for name, values in encode(rows, apart=joined).items()
        }
        if not on_cpu:
            x = {name: values.to(device) for name, values in x.items()}
        with torch.inference_mode():
            if len(rows) <= most:
                found: npt.NDArray[Any] = predictor(x).cpu().numpy()
                return found
            parts = zip(*(values.split(most) for values in x.values()), strict=True)
            batches = (dict(zip(x, part, strict=True)) for part in parts)
            return torch.cat([predictor(batch).cpu() for batch in batches]).numpy()

    return predict


@dataclass(frozen=True)
class Wanted:
    """A request of recommendations."""

    users: Rows
    k: int
    exclude_seen: bool
    filter: list[Any] | None


class Recommending:
    """Answers ``POST /recommend`` by a bundle of items.

    Args:
        bundle: The bundle.
        settings: Limits.
    """

    path: ClassVar[str] = "/recommend"
    keys: ClassVar[tuple[str, ...]] = ("users", "k", "exclude_seen", "filter")

    def __init__(self, bundle: Any, settings: Settings) -> None:
        self._bundle, self._settings = bundle, settings

    def read(self, body: Any) -> Wanted:
        """Return the request of a body.

        Raises:
            Refused: The body has another form, or a value is out of range.
        """
        users = checked_rows(body, "users", self._settings.max_rows)
        refuse_unknown(body, self.keys)
        k, seen, allowed = body.get("k", 10), body.get("exclude_seen", True), body.get("filter")
        most = self._settings.max_k
        if type(k) is not int or not 1 <= k <= most:
            raise Refused(422, f"k must be a whole number from 1 to {most}, got {_shown(k)}")
        if type(seen) is not bool:
            raise Refused(422, f"exclude_seen must be true or false, got {_shown(seen)}")
        if allowed is not None and not isinstance(allowed, list):
            raise Refused(422, f"filter must be a list of item ids, got {_shown(allowed)}")
        for i, item in enumerate(allowed or ()):
            if type(item) not in _IDS:
                raise Refused(422, f"filter[{i}] must be an item id, got {_shown(item)}")
        return Wanted(users, k, seen, allowed)

    @staticmethod
    def size(request: Wanted) -> int:
        """The number of users of a request."""
        return len(request.users)

    def answer(self, requests: Sequence[Wanted]) -> list[dict[str, Any]]:
        """Return the recommendations of requests.

        Raises:
            Refused: A user does not fit the schema (422).
        """
        return [self._recommendations(request) for request in requests]

    def _recommendations(self, request: Wanted) -> dict[str, Any]:
        if not request.users:
            return {"recommendations": []}
        options = {"exclude_seen": request.exclude_seen, "filter": request.filter}
        try:
            frame = self._bundle.recommend(request.users, request.k, **options)
        except (KeyError, ValueError, TypeError) as error:
            raise Refused(422, str(error.args[0] if error.args else error)) from error
        columns = [frame[name].tolist() for name in frame]
        names = [str(name) for name in frame]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        return {"recommendations": rows}


def answering(bundle: Any, settings: Settings) -> "Predicting | Recommending":
    """Return the way in which a bundle answers requests.

    Raises:
        ValueError: The bundle neither predicts nor recommends.
    """
    if hasattr(bundle, "predict"):
        return Predicting(bundle, settings)
    if hasattr(bundle, "recommend"):
        return Recommending(bundle, settings)
    raise ValueError(f"a bundle of the task {bundle.task!r} neither predicts nor recommends")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
