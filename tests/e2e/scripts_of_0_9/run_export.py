"""Models as ONNX files, quantized, and as pictures."""

import argparse
import os

import onnxruntime
import torch

from torch_rechub.basic.features import DenseFeature, SequenceFeature, SparseFeature
from torch_rechub.models.generative import HSTUModel, RQVAEModel
from torch_rechub.models.matching import DSSM
from torch_rechub.models.multi_task import SharedBottom
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer, MatchTrainer, MTLTrainer, SeqTrainer
from torch_rechub.trainers.rqvae_trainer import Trainer as RQVAETrainer
from torch_rechub.utils.model_utils import (
    extract_feature_info,
    generate_dummy_input,
    generate_dummy_input_dict,
    generate_dynamic_axes,
)
from torch_rechub.utils.onnx_export import ONNXExporter, ONNXWrapper
from torch_rechub.utils.quantization import quantize_model
from torch_rechub.utils.visualization import TORCHVIEW_AVAILABLE, display_graph, visualize_model

parser = argparse.ArgumentParser()
parser.add_argument("--dataset_path", default="./data")
parser.parse_args()
torch.manual_seed(2022)

user, item = SparseFeature("user", 20, embed_dim=8), SparseFeature("item", 30, embed_dim=8)
history = SequenceFeature("history", 30, embed_dim=8, pooling="mean", shared_with="item")
deepfm = DeepFM([user, item, DenseFeature("price")], [user, item], {"dims": [32]})
dssm = DSSM([user, history], [item], {"dims": [8]}, {"dims": [8]})
shared = SharedBottom([user, item], ["classification"] * 2, {"dims": [8]}, [{"dims": [4]}] * 2)
hstu = HSTUModel(30, d_model=8, n_heads=2, n_layers=1, dqk=4, dv=4, max_seq_len=6)
rqvae = RQVAEModel(8, [4, 4], e_dim=4, layers=[6], sk_epsilons=[0.0, 0.0])

ctr, match = CTRTrainer(deepfm), MatchTrainer(dssm)
mtl = MTLTrainer(shared, task_types=["classification"] * 2)
seq, codes = SeqTrainer(hstu), RQVAETrainer(rqvae)
assert ctr.export_onnx("deepfm.onnx", batch_size=2, dynamic_batch=True)
assert match.export_onnx("user_tower.onnx", mode="user")
assert mtl.export_onnx("shared_bottom.onnx")
assert seq.export_onnx("hstu.onnx", seq_length=6, vocab_size=30)
assert codes.export_onnx("rqvae.onnx")

info = extract_feature_info(deepfm)
print(info["input_names"], info["input_types"])
x = generate_dummy_input_dict(info["features"], batch_size=5)
session = onnxruntime.InferenceSession("deepfm.onnx")
found = session.run(None, {i.name: x[i.name].numpy() for i in session.get_inputs()})[0]
deepfm.eval()
torch.testing.assert_close(torch.from_numpy(found), deepfm(x).detach(), rtol=1e-4, atol=1e-5)
for mode in ("int8", "fp16"):
    saved = quantize_model(input_path="deepfm.onnx", output_path=f"deepfm.{mode}.onnx", mode=mode)
    print(mode, os.path.getsize(saved), "bytes")

exporter = ONNXExporter(dssm, device="cpu")
print(exporter.get_input_info("item"))
assert exporter.export("item_tower.onnx", mode="item", verbose=False)
wrapper = ONNXWrapper(dssm, ["user", "history"], mode="user")
inputs = generate_dummy_input([user, history], batch_size=3, seq_length=4)
print(wrapper(*inputs).shape, generate_dynamic_axes(["user", "history"], seq_features=["history"]))
wrapper.restore_mode()

assert TORCHVIEW_AVAILABLE
graph = visualize_model(deepfm, batch_size=2, depth=2, show_shapes=True)
for trainer in (ctr, match, mtl, seq):
    print(type(trainer).__name__, len(trainer.visualization(depth=1).visual_graph.source))
try:
    display_graph(graph, format="svg")
except ImportError as error:
    print("outside of a notebook:", error)
