"""The published contracts: no test of theirs can be overridden, and each finds its fault."""

import copy
import subprocess
import sys
from inspect import signature

import pytest
import torch
from torch import nn

from torch_rechub.basic.features import SequenceFeature, SparseFeature
from torch_rechub.models.ranking import FM
from torch_rechub.testing import LoggerContract, ModelContract

FEATURES = [SparseFeature("user", 20, 4), SequenceFeature("history", 12, 4)]
CONTRACTS = pytest.mark.parametrize("contract", [LoggerContract, ModelContract])


def names_of(contract):
    return [name for name in vars(contract) if name.startswith("test_")]


@CONTRACTS
@pytest.mark.parametrize("replaced", [None, lambda self: None])
def test_no_test_of_a_contract_can_be_replaced(contract, replaced):
    for name in names_of(contract):
        with pytest.raises(TypeError, match=f"Mine replaces {name}, a test of the contract"):
            type("Mine", (contract,), {name: replaced})


@CONTRACTS
def test_nor_by_a_class_inherited_next_to_it_or_two_levels_down(contract):
    name = names_of(contract)[-1]
    beside = type("Beside", (), {name: None})
    with pytest.raises(TypeError, match=f"Mine replaces {name}"):
        type("Mine", (beside, contract), {})
    ours = type("Ours", (contract,), {})
    with pytest.raises(TypeError, match=f"Mine replaces {name}"):
        type("Mine", (ours,), {name: None})


@CONTRACTS
def test_nor_can_pytest_be_made_to_ignore_the_class(contract):
    with pytest.raises(TypeError, match="Mine sets __test__ = False"):
        type("Mine", (contract,), {"__test__": False})


@CONTRACTS
def test_own_tests_may_be_added_and_replaced(contract):
    ours = type("Ours", (contract,), {"test_more": lambda self: None})
    assert type("Mine", (ours,), {"test_more": None}).test_more is None


class Good(ModelContract):
    """The contract with a model that keeps it."""

    output_range = (0, 1)
    sequences = ("history",)
    compiles_whole = True

    def make_model(self):
        return FM(FEATURES)

    def make_inputs(self, n):
        history = torch.randint(1, 12, (n, 3))
        return {"user": torch.randint(0, 20, (n,)), "history": history}

    def output_shapes(self, n):
        return [(n,)]


class TestFM(Good):
    pass


class UnusedWeight(FM):
    def __init__(self, features):
        super().__init__(features)
        self.unused = nn.Parameter(torch.ones(3))


class Column(FM):
    """Scores (B, 1)."""

    def forward(self, x):
        return super().forward(x).unsqueeze(1)


class Logits(FM):
    def forward(self, x):
        return self.logits(x)


class OfTheBatch(FM):
    def forward(self, x):
        logits = self.logits(x)
        return (logits - logits.mean()).sigmoid()


class Dropout(FM):
    def forward(self, x):
        return torch.dropout(super().forward(x), 0.5, train=True)


class ByPosition(FM):
    def forward(self, x):
        first = next(iter(x.values()))
        return (self.logits(x) + first.reshape(len(first), -1)[:, 0]).sigmoid()


class CountsPadding(FM):
    def forward(self, x):
        return (self.logits(x) + x["history"].shape[1]).sigmoid()


class WrapsIds(FM):
    def forward(self, x):
        return super().forward({name: ids % 12 for name, ids in x.items()})


class NeedsTwoRows(FM):
    def forward(self, x):
        logits = self.logits(x)
        return ((logits - logits.mean()) / logits.std() if self.training else logits).sigmoid()


class SameWeights(FM):
    def __init__(self, features):
        state = torch.random.get_rng_state()
        torch.manual_seed(0)
        super().__init__(features)
        torch.random.set_rng_state(state)


class OutsideTheState(FM):
    def __init__(self, features):
        super().__init__(features)
        self.scale = torch.rand(())

    def forward(self, x):
        return (self.logits(x) * self.scale).sigmoid()


class Shared(FM):
    weight = nn.Parameter(torch.ones(()))

    def __init__(self, features):
        super().__init__(features)
        self.scale = Shared.weight

    def forward(self, x):
        return (self.logits(x) * self.scale).sigmoid()


class Doubles(FM):
    def forward(self, x):
        return self.logits(x).double().sigmoid()


class MakesTensors(FM):
    def forward(self, x):
        return (self.logits(x) + torch.ones(())).sigmoid()


class OnTheCpu(FM):
    def forward(self, x):
        return (self.logits(x) + torch.ones(len(x["user"]), device="cpu")).sigmoid()


class BreaksTheGraph(FM):
    def forward(self, x):
        return super().forward(x) if x["user"].sum() >= 0 else self.logits(x)


class NanGradient(FM):
    def forward(self, x):
        return (self.logits(x) + (self.linear.bias * 0).abs().sqrt().sum()).sigmoid()


class CopiesAreTheSame(FM):
    def __deepcopy__(self, memo):
        return self


FAULTS = {
    "a_copy_computes_the_same_and_is_independent": CopiesAreTheSame,
    "outputs_have_their_shape": Column,
    "outputs_have_their_shape_and_range": Logits,
    "a_row_is_scored_the_same": OfTheBatch,
    "evaluation_is_deterministic": Dropout,
    "the_order_of_the_columns": ByPosition,
    "padding_changes_nothing": CountsPadding,
    "an_id_outside_its_vocabulary": WrapsIds,
    "a_gradient_reaches_every": UnusedWeight,
    "a_training_step_on_one_row": NeedsTwoRows,
    "a_seed_decides": SameWeights,
    "a_state_dict_restores": OutsideTheState,
    "two_models_share_no_weights": Shared,
    "it_computes_in_the_type": Doubles,
    "gradients_are_of_the_type": NanGradient,
    "it_computes_where_it_is_moved": OnTheCpu,
    "it_makes_tensors_where": MakesTensors,
    "a_compiled_model": BreaksTheGraph,
}


def run(fault, model_class, folder):
    """The test of the contract that a fault is of, on a model."""

    class Case(Good):
        def make_model(self):
            return model_class(FEATURES)

    (name,) = [name for name in names_of(ModelContract) if name.startswith(f"test_{fault}")]
    contract = Case()
    given = {"n": 9, "dtype": torch.float16, "tmp_path": folder, "copied": copy.deepcopy}
    given["model"] = contract.randomize(contract.make_model())
    test = getattr(contract, name)
    test(**{key: value for key, value in given.items() if key in signature(test).parameters})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_with_a_fault_fails_the_test_of_it(fault, tmp_path):
    run(fault, FM, tmp_path)
    with pytest.raises((Exception, pytest.fail.Exception)):
        run(fault, FAULTS[fault], tmp_path)


def test_every_test_of_the_contract_of_models_has_a_fault_that_it_finds():
    names = names_of(ModelContract)
    assert [n for n in names if not any(n.startswith(f"test_{fault}") for fault in FAULTS)] == []


def test_a_package_of_a_tracker_is_tested_without_torch_and_numpy():
    code = (
        "import sys; from torch_rechub.testing import LoggerContract;"
        "print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
