"""The contract of models as a pytest class, for tests of models."""

import copy
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .contract import Contract
from .tensors import Inputs, cast, close, devices, each, equal, flat

__all__ = ["ModelContract"]

# tolerance relative to the largest value
_TYPES = {torch.float64: 1e-12, torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.3}
_LEFT_OUT = -3e4


class ModelContract(Contract):
    """The contract of models that trainers and serving rely on, as tests: subclass it.

    A subclass implements the creation of a model and of its inputs. For a model that returns
    probabilities::

        import torch
        from torch_rechub.basic.features import SequenceFeature, SparseFeature
        from torch_rechub.models.ranking import FM
        from torch_rechub.testing import ModelContract

        FEATURES = [SparseFeature("user", 20, 4), SequenceFeature("history", 12, 4)]

        class TestFM(ModelContract):
            output_range = (0, 1)
            sequences = ("history",)

            def make_model(self):
                return FM(FEATURES)

            def make_inputs(self, n):
                history = torch.randint(1, 12, (n, 3))
                return {"user": torch.randint(0, 20, (n,)), "history": history}

    If the attributes below do not suffice, override `call`, `loss`, `ids` or `randomize`. Tests
    cannot be overridden.
    """

    output_range: tuple[float, float] = (float("-inf"), float("inf"))
    """The range of the first output, the bounds included."""

    sequences: Sequence[str] = ()
    """Names of the inputs (B, L) that may be padded with 0 on either side."""

    reads_values: bool = False
    """Whether what is computed depends on the values of inputs, which the meta device lacks."""

    compiles_whole: bool = False
    """Whether `torch.compile` takes the model without a graph break."""

    def make_model(self) -> nn.Module:
        """Return a new model with random weights from torch's generator."""
        raise NotImplementedError("return a new model")

    def make_inputs(self, n: int) -> Inputs:
        """Return random inputs of `n` rows: a dict of columns, or a tuple for `forward`.

        Dense inputs are floating-point tensors. The first dimension of all inputs are the rows.
        """
        raise NotImplementedError("return inputs of your model")

    def output_shapes(self, n: int) -> Sequence[tuple[int, ...]] | None:
        """Return the shapes of the outputs for `n` rows; None checks the number of rows only."""
        return None

    def call(self, model: nn.Module, inputs: Inputs) -> Any:
        """Return all outputs for inputs: a tensor, or several in tuples and lists.

        A scalar output, such as an auxiliary loss, belongs to the whole batch.
        """
        return model(*inputs) if isinstance(inputs, tuple) else model(inputs)

    def loss(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """Return a scalar that depends on every parameter: by default a random sum of outputs."""
        outputs = self._outputs(model, inputs)
        return torch.stack([(torch.randn_like(o) * o).sum() for o in outputs]).sum()

    def ids(self, inputs: Inputs) -> Sequence[Any]:
        """Return the keys or positions of the inputs that are ids: by default, the integer ones."""
        found = enumerate(inputs) if isinstance(inputs, tuple) else inputs.items()
        return [key for key, value in found if not value.is_floating_point()]

    def randomize(self, model: nn.Module) -> nn.Module:
        """Set every weight and running statistic to a random value that affects the outputs."""
        with torch.no_grad():
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    value.uniform_(0.5, 2.0) if "running_var" in name else value.normal_(0, 0.5)
        return model

    @pytest.fixture
    def model(self) -> nn.Module:
        """Return a model with random weights."""
        return self.randomize(self.make_model())

    # Outputs

    @pytest.mark.parametrize("n", [1, 9])
    def test_outputs_have_their_shape_and_range_and_are_finite(
        self, model: nn.Module, n: int
    ) -> None:
        """In training and evaluation, for one row and for several rows."""
        low, high = self.output_range
        for training in (True, False):
            outputs = self._outputs(model.train(training), self.make_inputs(n))
            assert all(output.isfinite().all() for output in outputs)
            assert ((outputs[0] >= low) & (outputs[0] <= high)).all()
            expected = self.output_shapes(n)
            if expected is None:
                assert {o.shape[0] for o in outputs if o.dim()} == {n}
            else:
                assert [tuple(o.shape) for o in outputs] == list(expected)

    def test_a_row_is_scored_the_same_alone_and_in_a_batch(self, model: nn.Module) -> None:
        """In evaluation, rows of a batch do not affect each other."""
        inputs = self.make_inputs(6)
        whole = [o for o in self._outputs(model.eval(), inputs) if o.dim()]
        for i in range(6):
            row = each(inputs, lambda x, i=i: x[i : i + 1])  # type: ignore[misc]
            alone = [o for o in self._outputs(model, row) if o.dim()]
            close([o[0] for o in alone], [o[i] for o in whole])

    def test_evaluation_is_deterministic(self, model: nn.Module) -> None:
        """No dropout, no sampling, no statistics updated by a call."""
        inputs = self.make_inputs(5)
        first, second = (self._outputs(model.eval(), inputs) for _ in range(2))
        assert equal(first, second)

    def test_the_order_of_the_columns_does_not_matter(self, model: nn.Module) -> None:
        """Columns are looked up by name; inputs in a tuple are ordered."""
        inputs = self.make_inputs(5)
        if not isinstance(inputs, tuple):
            turned = dict(reversed(list(inputs.items())))
            expected = self._outputs(model.eval(), inputs)
            assert equal(self._outputs(model, turned), expected)

    def test_padding_changes_nothing(self, model: nn.Module) -> None:
        """In evaluation, zeros on either side of the inputs in `sequences` have no effect."""
        inputs = self.make_inputs(5)
        expected = self._outputs(model.eval(), inputs)
        for pad in ((0, 3), (2, 0)):
            padded = {name: F.pad(inputs[name], pad) for name in self.sequences}  # type: ignore[call-overload]
            if padded:
                close(self._outputs(model, {**inputs, **padded}), expected)  # type: ignore[dict-item]

    def test_an_id_outside_its_vocabulary_is_refused(self, model: nn.Module) -> None:
        """An error is raised, and no vector of another id is used."""
        inputs = self.make_inputs(3)
        for key in self.ids(inputs):
            wrong: Any = list(inputs) if isinstance(inputs, tuple) else dict(inputs)
            wrong[key] = torch.full_like(wrong[key], 2**30)
            wrong = tuple(wrong) if isinstance(inputs, tuple) else wrong
            with pytest.raises((IndexError, ValueError, RuntimeError)):
                self.call(model.eval(), wrong)

    # Gradients

    def test_a_gradient_reaches_every_parameter(self, model: nn.Module) -> None:
        """In evaluation, as batch normalization cancels the bias before it.

        Over several draws of the weights, as a ReLU that is 0 for every row has no gradient.
        """
        for _ in range(3):
            self.loss(self.randomize(model).eval(), self.make_inputs(60)).backward()
        named = model.named_parameters()
        assert [n for n, p in named if p.grad is None or (p.grad == 0).all()] == []

    def test_a_training_step_on_one_row_has_finite_gradients(self, model: nn.Module) -> None:
        """The last batch of an epoch may have one row."""
        self.loss(model.train(), self.make_inputs(1)).backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert gradients
        assert all(g.isfinite().all() for g in gradients)

    # Weights

    def test_a_seed_decides_the_weights(self) -> None:
        """The same seed gives the same model, another seed a different one."""
        states = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            states.append(list(self.make_model().state_dict().values()))
        assert [equal(states[0], state) for state in states] == [True, True, False]

    def test_a_state_dict_restores_the_model(self, model: nn.Module, tmp_path: Path) -> None:
        """A file of weights is loaded into a model with other weights."""
        inputs, other = self.make_inputs(5), self.make_model().eval()
        expected = self._outputs(model.eval(), inputs)
        assert not equal(self._outputs(other, inputs), expected)
        torch.save(model.state_dict(), tmp_path / "model.pth")
        other.load_state_dict(torch.load(tmp_path / "model.pth", weights_only=True))
        assert equal(self._outputs(other, inputs), expected)

    # unpickles what it has pickled itself, as loaders with several processes do
    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
    def test_a_copy_computes_the_same_and_is_independent(
        self, model: nn.Module, copied: Callable[[nn.Module], nn.Module]
    ) -> None:
        """Copies by `copy.deepcopy` and by pickling."""
        inputs = self.make_inputs(5)
        expected = self._outputs(model.eval(), inputs)
        twin = copied(model)
        assert equal(self._outputs(twin, inputs), expected)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.zero_()
        assert equal(self._outputs(model, inputs), expected)

    def test_two_models_share_no_weights(self) -> None:
        """Models of the same features have separate tables."""
        models = [self.make_model(), self.make_model()]
        first, second = ({p.untyped_storage().data_ptr() for p in m.parameters()} for m in models)
        assert first.isdisjoint(second)

    # Types, devices, compilation

    @pytest.mark.parametrize("dtype", _TYPES, ids=str)
    def test_it_computes_in_the_type_of_its_weights(self, dtype: torch.dtype) -> None:
        """Outputs are close to those of the same weights in double precision."""
        # weights that all types represent exactly
        exact = self.make_model().to(dtype).double().eval()
        model, inputs = copy.deepcopy(exact).to(dtype), cast(self.make_inputs(8), dtype)
        expected = self._outputs(exact, cast(inputs, torch.float64))
        for found, right in zip(self._outputs(model, inputs), expected, strict=True):
            assert found.dtype == dtype
            left_out = right <= _LEFT_OUT  # masked scores are the lowest of the type
            assert (found[left_out] <= _LEFT_OUT).all()
            found, right = found[~left_out].double(), right[~left_out]
            allowed = _TYPES[dtype] * right.abs().amax().clamp(min=1.0).item()
            torch.testing.assert_close(found, right, rtol=0, atol=allowed)

    @pytest.mark.parametrize("dtype", _TYPES, ids=str)
    def test_gradients_are_of_the_type_of_the_weights(self, dtype: torch.dtype) -> None:
        """Gradients are finite, in training and evaluation."""
        for training in (True, False):
            model = self.make_model().to(dtype).train(training)
            self.loss(model, cast(self.make_inputs(8), dtype)).backward()
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            assert {g.dtype for g in gradients} == {dtype}
            assert all(g.isfinite().all() for g in gradients)

    def test_it_computes_where_it_is_moved(self, model: nn.Module) -> None:
        """A tensor made on the CPU inside the model would fail on the meta device."""
        if not self.reads_values:
            loss = self.loss(model.to("meta"), each(self.make_inputs(5), lambda x: x.to("meta")))
            loss.backward()
            assert {loss.device.type, *devices(model)} == {"meta"}

    def test_it_makes_tensors_where_its_inputs_are(self, model: nn.Module) -> None:
        """The default device of new tensors has no effect."""
        inputs = self.make_inputs(5)
        with torch.device("meta"):  # the device of tensors created without one
            loss = self.loss(model, inputs)
            loss.backward()
        assert {loss.device.type, *devices(model)} == {"cpu"}

    def test_a_compiled_model_computes_the_same(self, model: nn.Module) -> None:
        """Outputs and gradients of the graph captured by `torch.compile`; no code is generated."""
        inputs, plain = self.make_inputs(7), model.eval()
        compiled: Any = torch.compile(
            copy.deepcopy(plain), backend="eager", fullgraph=self.compiles_whole
        )
        results = [self._outputs(m, inputs) for m in (compiled, plain)]
        close(*results)
        for outputs in results:
            torch.stack([o.sum() for o in outputs]).sum().backward()
        for name, parameter in plain.named_parameters():
            found = compiled.get_parameter(f"_orig_mod.{name}").grad
            torch.testing.assert_close(found, parameter.grad)

    def _outputs(self, model: nn.Module, inputs: Inputs) -> list[Tensor]:
        return flat(self.call(model, inputs))
