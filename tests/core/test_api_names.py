"""The names that scripts of torch-rechub 0.9 use: where they lie, their arguments and defaults."""

import inspect
from importlib import import_module

import pytest
import torch

from torch_rechub.basic.initializers import RandomNormal
from torch_rechub.models.matching.session import SessionModel

TIME = (
    "num_time_buckets=128, time_bucket_fn='sqrt', time_bucket_divisor=1.0, "
    "time_bucket_unit='minutes'"
)
HSTU = f"dqk=64, dv=64, dropout=0.1, max_seq_len=200, {TIME}"
TRAINED = "optimizer_fn=torch.optim.Adam, optimizer_params=None, "
SCHEDULED = "scheduler_fn=None, scheduler_params=None, "
WHERE = "device='cpu', gpus=None, "
FIELDS = "vocab_size, embed_dim=None, "
# the one default that differs: 0.9 starts at a standard deviation of 0.0001
TABLE = "shared_with=None, padding_idx=None, initializer=RandomNormal(0, 0.02)"

MULTI = "user_features, history_features, item_features, neg_item_feature, "

TRACED = "dummy_input=None, batch_size=2, seq_length=10, opset_version=14, dynamic_batch=True, "
WRITTEN = "device=None, verbose=False, onnx_export_kwargs=None"
DRAWN = "depth=3, show_shapes=True, expand_nested=True, save_path=None, graph_name='model', "

# module: {name: arguments}; a name with a dot is a method
NAMES = {
    "basic.activation": {"Dice": "epsilon=0.001", "activation_layer": "act_name"},
    "basic.callback": {
        "EarlyStopper": "patience, mode='max'",
        "EarlyStopper.stop_training": "val_auc, weights",
    },
    "basic.features": {
        "SparseFeature": f"name, {FIELDS}{TABLE}",
        "SequenceFeature": f"name, {FIELDS}pooling='mean', {TABLE}",
        "DenseFeature": "name, embed_dim=1",
        "SparseFeature.get_embedding_layer": "",
        "SequenceFeature.get_embedding_layer": "",
    },
    "basic.initializers": {
        "RandomNormal": "mean=0.0, std=1.0",
        "RandomUniform": "minval=0.0, maxval=1.0",
        "XavierNormal": "gain=1.0",
        "XavierUniform": "gain=1.0",
        "Pretrained": "embedding_weight, freeze=True",
    },
    "basic.layers": {
        "PredictionLayer": "task_type='classification'",
        "EmbeddingLayer": "features",
        "EmbeddingLayer.forward": "x, features, squeeze_dim=False",
        "InputMask.forward": "x, features",
        "LR": "input_dim, sigmoid=False",
        "ConcatPooling.forward": "x, mask=None",
        "AveragePooling.forward": "x, mask=None",
        "SumPooling.forward": "x, mask=None",
        "MLP": "input_dim, output_layer=True, dims=None, dropout=0, activation='relu'",
        "FM": "reduce_sum=True",
        "CIN": "input_dim, cin_size, split_half=True",
        "CrossLayer": "input_dim",
        "CrossLayer.forward": "x_0, x_i",
        "CrossNetwork": "input_dim, num_layers",
        "SENETLayer": "num_fields, reduction_ratio=3",
        "MultiInterestSA": "embedding_dim, interest_num, hidden_dim=None",
        "MultiInterestSA.forward": "seq_emb, mask=None",
        "CapsuleNetwork": "embedding_dim, seq_len, bilinear_type=2, interest_num=4, "
        "routing_times=3, relu_layer=False",
        "CapsuleNetwork.forward": "item_eb, mask",
        "CrossNetV2": "input_dim, num_layers",
        "CrossNetMix": "input_dim, num_layers=2, low_rank=32, num_experts=4",
        "BiLinearInteractionLayer": "input_dim, num_fields, bilinear_type='field_interaction'",
        "FFM": "num_fields, reduce_sum=True",
        "CEN": "embed_dim, num_field_crosses, reduction_ratio",
        "CEN.forward": "em",
        "InteractingLayer": "embed_dim, num_heads=2, dropout=0.0, residual=True",
        "HSTULayer": f"d_model=512, n_heads=8, {HSTU}",
        "HSTULayer.forward": "x, padding_mask=None, time_diffs=None",
        "HSTUBlock": f"d_model=512, n_heads=8, n_layers=4, {HSTU}",
        "HSTUBlock.forward": "x, padding_mask=None, time_diffs=None",
    },
    "basic.loss_func": {
        "RegularizationLoss": "embedding_l1=0.0, embedding_l2=0.0, dense_l1=0.0, dense_l2=0.0",
        "RegularizationLoss.forward": "model",
        "HingeLoss": "margin=2, num_items=None",
        "HingeLoss.forward": "pos_score, neg_score, in_batch_neg=False",
        "BPRLoss": "",
        "BPRLoss.forward": "pos_score, neg_score, in_batch_neg=False",
        "NCELoss": "temperature=1.0, ignore_index=0, reduction='mean'",
        "NCELoss.forward": "logits, targets",
        "InBatchNCELoss": "temperature=0.1, ignore_index=0, reduction='mean'",
        "InBatchNCELoss.forward": "embeddings, item_embeddings, targets",
    },
    "basic.metaoptimizer": {
        "MetaBalance": "parameters, relax_factor=0.7, beta=0.9",
        "MetaBalance.step": "losses",
    },
    "basic.metric": {
        "auc_score": "y_true, y_pred",
        "get_user_pred": "y_true, y_pred, users",
        "gauc_score": "y_true, y_pred, users, weights=None",
        "log_loss": "y_true, y_pred",
        **dict.fromkeys(
            [f"{m}_score" for m in ("ndcg", "hit", "mrr", "recall", "precision")],
            "y_true, y_pred, topKs=None",
        ),
        "topk_metrics": "y_true, y_pred, topKs=None",
        "diversity_score": "y_pred, item_embeddings, topKs=None",
        "coverage_score": "y_pred, all_items, topKs=None",
        "novelty_score": "y_pred, item_popularity, topKs=None",
    },
    "basic.tracking": {
        "BaseLogger": "",
        "BaseLogger.log_metrics": "metrics, step=None",
        "BaseLogger.log_hyperparams": "params",
        "BaseLogger.finish": "",
    },
    "data.convert": {"pa_array_to_tensor": "arr"},
    "data.dataset": {"ParquetIterableDataset": "file_paths, /, columns=None, batch_size=1024"},
    "models.generative": {
        "HSTUModel": "vocab_size, d_model=512, n_heads=8, n_layers=4, dqk=64, dv=64, "
        f"max_seq_len=256, dropout=0.1, use_time_embedding=True, {TIME}, tie_embeddings=True, "
        "score_norm='none', temperature=1.0, use_output_bias=True, scale_input_embedding=False, "
        "l2_norm_eps=1e-6",
        "HSTUModel.forward": "x, time_diffs=None",
        "HLLMModel": "item_embeddings, vocab_size, d_model=512, n_heads=8, n_layers=4, "
        "max_seq_len=256, dropout=0.1, use_rel_pos_bias=True, use_time_embedding=True, "
        "num_time_buckets=2048, time_bucket_fn='sqrt', temperature=0.07",
        "HLLMModel.forward": "seq_tokens, time_diffs=None",
        "RQVAEModel": "in_dim=768, num_emb_list=None, e_dim=64, layers=None, dropout_prob=0.0, "
        "bn=False, loss_type='mse', quant_loss_weight=1.0, beta=0.25, kmeans_init=False, "
        "kmeans_iters=100, sk_epsilons=None, sk_iters=100",
        "RQVAEModel.forward": "x, use_sk=True",
        "RQVAEModel.get_indices": "xs, use_sk=False",
        "RQVAEModel.compute_loss": "out, quant_loss, xs=None",
        "RQVAEModel.generate_semantic_ids": "data, data_loader, prefix=('<a_{}>', '<b_{}>', "
        "'<c_{}>', '<d_{}>', '<e_{}>'), use_sk=False, device='cuda'",
        "TIGERModel": "config",
        "TIGERModel.set_hyper": "temperature",
        "TIGERModel.ranking_loss": "lm_logits, labels",
    },
    "models.generative.hllm": {
        "HLLMTransformerBlock": "d_model=512, n_heads=8, dropout=0.1",
        "HLLMTransformerBlock.forward": "x, rel_pos_bias=None",
    },
    "models.generative.rqvae": {
        "kmeans": "samples, num_clusters, num_iters=10",
        "sinkhorn_algorithm": "distances, epsilon, sinkhorn_iterations",
        "VectorQuantizer": "n_e, e_dim, beta=0.25, kmeans_init=False, kmeans_iters=10, "
        "sk_epsilon=0.003, sk_iters=100",
        "VectorQuantizer.get_codebook": "",
        "VectorQuantizer.get_codebook_entry": "indices, shape=None",
        "VectorQuantizer.init_emb": "data",
        "VectorQuantizer.center_distance_for_constraint": "distances",
        "VectorQuantizer.forward": "x, use_sk=True",
        "ResidualVectorQuantizer": "n_e_list, e_dim, sk_epsilons, beta=0.25, kmeans_init=False, "
        "kmeans_iters=100, sk_iters=100",
        "ResidualVectorQuantizer.get_codebook": "",
        "ResidualVectorQuantizer.forward": "x, use_sk=True",
    },
    "models.matching": {
        "DSSM": "user_features, item_features, user_params, item_params, temperature=1.0",
        "FaceBookDSSM": "user_features, pos_item_features, neg_item_features, user_params, "
        "item_params, temperature=1.0",
        "YoutubeDNN": "user_features, item_features, neg_item_feature, user_params, "
        "temperature=1.0",
        "GRU4Rec": "user_features, history_features, item_features, neg_item_feature, "
        "user_params, temperature=1.0",
        "SASRec": "features, max_len=50, dropout_rate=0.5, num_blocks=2, num_heads=1, "
        "item_feature=None",
        "SASRec.seq_forward": "x, embed_x_feature",
        "ComirecSA": f"{MULTI}temperature=1.0, interest_num=4",
        "ComirecDR": f"{MULTI}max_length, temperature=1.0, interest_num=4",
        "MIND": f"{MULTI}max_length, temperature=1.0, interest_num=4, dynamic_interest=False",
        "MIND.user_tower": "x, interest_mask=None",
        "MIND.active_interest_mask": "x",
        "MIND.gen_mask": "x",
        "ComirecSA.gen_mask": "x",
        "ComirecDR.gen_mask": "x",
        "NARM": "item_history_feature, hidden_dim, emb_dropout_p, session_rep_dropout_p, "
        "item_feature=None",
        "NARM.forward": "input_dict",
        "STAMP.forward": "input_dict",
        "STAMP": "item_history_feature, weight_std, emb_std, item_feature=None",
        "SINE": "history_features, item_features, neg_item_features, num_items, embedding_dim, "
        "hidden_dim, num_concept, num_intention, seq_max_len, num_heads=1, temperature=1.0",
        "SINE.gen_mask": "x",
        "YoutubeSBC": "user_features, item_features, sample_weight_feature, user_params, "
        "item_params, batch_size, n_neg=3, temperature=1.0",
    },
    "models.matching.dssm_senet": {
        "DSSM": "user_features, item_features, user_params, item_params, temperature=1.0",
    },
    "models.matching.mind": {"dynamic_interest_mask": "mask, interest_num"},
    "models.matching.sasrec": {"PointWiseFeedForward": "hidden_units, dropout_rate"},
    "models.multi_task": {
        "AITM": "features, n_task, bottom_params, tower_params_list",
        "ESMM": "user_features, item_features, cvr_params, ctr_params",
        "MMOE": "features, task_types, n_expert, expert_params, tower_params_list",
        "PLE": "features, task_types, n_level, n_expert_specific, n_expert_shared, "
        "expert_params, tower_params_list",
        "SharedBottom": "features, task_types, bottom_params, tower_params_list",
    },
    "models.multi_task.aitm": {"AttentionLayer": "dim=32"},
    "models.multi_task.ple": {
        "CGC": "cur_level, n_level, n_task, n_expert_specific, n_expert_shared, input_dims, "
        "expert_params",
        "CGC.forward": "x_list",
    },
    "models.ranking": {
        "AFM": "fm_features, embed_dim, t=64",
        "AFM.attention": "y_fm",
        "AutoInt": "sparse_features, dense_features, num_layers=3, num_heads=2, dropout=0.0, "
        "mlp_params=None",
        "BST": "features, history_features, target_features, mlp_params, nhead=8, dropout=0.2, "
        "num_layers=1, max_seq_len=51",
        "DCNv2": "features, n_cross_layers, mlp_params, model_structure='parallel', "
        "use_low_rank_mixture=True, low_rank=32, num_experts=4",
        "DeepFFM": "linear_features, cross_features, embed_dim, mlp_params",
        "FatDeepFFM": "linear_features, cross_features, embed_dim, reduction_ratio, mlp_params",
        "DIEN": "features, history_features, neg_history_features, target_features, mlp_params, "
        "alpha=0.2",
        "DIEN.auxiliary": "outs, pos_emb, neg_emb, mask=None",
        "DIN": "features, history_features, target_features, mlp_params, attention_mlp_params",
        "EDCN": "features, n_cross_layers, mlp_params, bridge_type='hadamard_product', "
        "use_regulation_module=True, temperature=1",
        "FiBiNet": "features, mlp_params, reduction_ratio=3, bilinear_type='field_interaction'",
        "DCN": "features, n_cross_layers, mlp_params",
        "DeepFM": "deep_features, fm_features, mlp_params",
        "WideDeep": "wide_features, deep_features, mlp_params",
    },
    "serving": {
        "builder_factory": "model",
        **{
            f"{builder}Builder.{method}": arguments
            for builder in ("Annoy", "Base", "Faiss", "Milvus")
            for method, arguments in {
                "from_embeddings": "embeddings",
                "from_index_file": "index_file",
            }.items()
        },
        "BaseIndexer.query": "embeddings, top_k",
        "BaseIndexer.save": "file_path",
    },
    "serving.annoy": {
        "AnnoyBuilder": "d, metric='angular'",
        "AnnoyIndexer": "index, searchk",
    },
    "serving.faiss": {"FaissBuilder": "index_type='Flat', metric='L2'", "FaissIndexer": "index"},
    "serving.milvus": {
        "MilvusBuilder": "d, index_type='FLAT', metric='COSINE'",
        "MilvusIndexer": "collection, query_params",
    },
    "models.ranking.dien": {
        "AUGRU_Cell": "embed_dim",
        "AUGRU_Cell.forward": "x, h_1, a",
        "AUGRU": "embed_dim",
        "AUGRU.forward": "x, item, mask=None",
    },
    "models.ranking.din": {
        "ActivationUnit": "emb_dim, dims=None, activation='dice', use_softmax=False",
    },
    "models.ranking.edcn": {
        "BridgeModule": "input_dim, bridge_type",
        "BridgeModule.forward": "x, h",
        "RegulationModule": "num_fields, dims, tau, use_regulation=True",
    },
    "trainers": {
        "CTRTrainer": f"model, {TRAINED}regularization_params=None, {SCHEDULED}n_epoch=10, "
        f"earlystop_patience=10, {WHERE}loss_mode=True, model_path='./', model_logger=None",
        "MatchTrainer": "model, mode=0, in_batch_neg=False, in_batch_neg_ratio=None, "
        f"hard_negative=False, sampler_seed=None, {TRAINED}regularization_params=None, "
        f"{SCHEDULED}n_epoch=10, earlystop_patience=10, {WHERE}model_path='./', model_logger=None",
        "MatchTrainer.inference_embedding": "model, mode, data_loader, model_path",
        "MTLTrainer": f"model, task_types, {TRAINED}regularization_params=None, {SCHEDULED}"
        f"adaptive_params=None, n_epoch=10, earlystop_taskid=0, earlystop_patience=10, {WHERE}"
        "model_path='./', model_logger=None, earlystop_mode='max'",
        "MTLTrainer.fit": "train_dataloader, val_dataloader=None, mode='base', seed=0",
        "SeqTrainer": f"model, {TRAINED}{SCHEDULED}n_epoch=10, earlystop_patience=10, {WHERE}"
        "model_path='./', loss_type='cross_entropy', loss_params=None, model_logger=None",
        "SeqTrainer.evaluate": "data_loader",
        "SeqTrainer.export_onnx": "output_path, batch_size=2, seq_length=50, vocab_size=None, "
        f"opset_version=14, dynamic_batch=True, {WRITTEN}",
        "SeqTrainer.visualization": "seq_length=50, vocab_size=None, batch_size=2, "
        f"{DRAWN}device=None, dpi=300",
        "CTRTrainer.export_onnx": f"output_path, {TRACED}{WRITTEN}",
        "MTLTrainer.export_onnx": f"output_path, {TRACED}{WRITTEN}",
        "MatchTrainer.export_onnx": f"output_path, mode=None, {TRACED}{WRITTEN}",
        **{
            f"{trainer}.visualization": "input_data=None, batch_size=2, seq_length=10, "
            f"{DRAWN}device=None, dpi=300"
            for trainer in ("CTRTrainer", "MatchTrainer", "MTLTrainer")
        },
        **{
            f"{trainer}.{method}": arguments
            for trainer in ("CTRTrainer", "MatchTrainer", "MTLTrainer")
            for method, arguments in {
                "train_one_epoch": "data_loader, log_interval=10",
                "evaluate": "model, data_loader",
                "predict": "model, data_loader",
            }.items()
        },
        **{
            f"{trainer}.fit": "train_dataloader, val_dataloader=None"
            for trainer in ("CTRTrainer", "MatchTrainer", "SeqTrainer")
        },
    },
    "trainers.rqvae_trainer": {
        "Trainer": f"model, {TRAINED}{SCHEDULED}n_epoch=10, device='cpu', model_path='./', "
        "model_logger=None, eval_step=50",
        "Trainer.evaluate": "data_loader",
        "Trainer.fit": "train_dataloader",
        "Trainer.export_onnx": "output_path, batch_size=2, opset_version=14, dynamic_batch=True, "
        "device=None, verbose=False, onnx_export_kwargs=None",
    },
    "utils.data": {
        "TorchDataset": "x, y",
        "PredictDataset": "x",
        "MatchDataGenerator": "x, y=()",
        # in memory, no worker fetches faster than this process: 0.9 started 8
        "MatchDataGenerator.generate_dataloader": "x_test_user, x_all_item, batch_size, "
        "num_workers=0",
        "DataGenerator": "x, y",
        "DataGenerator.generate_dataloader": "x_val=None, y_val=None, x_test=None, y_test=None, "
        "split_ratio=None, batch_size=16, num_workers=0",
        "get_auto_embedding_dim": "num_classes",
        "get_loss_func": "task_type='classification'",
        "get_metric_func": "task_type='classification'",
        "generate_seq_feature": "data, user_col, item_col, time_col, item_attribute_cols=(), "
        "min_item=0, shuffle=True, max_len=50",
        "df_to_dict": "data",
        "neg_sample": "click_hist, item_size",
        "pad_sequences": "sequences, maxlen=None, dtype='int32', padding='pre', truncating='pre', "
        "value=0.0",
        "array_replace_with_dict": "array, dic",
        "create_seq_features": "data, seq_feature_col=('item_id', 'cate_id'), max_len=50, "
        "drop_short=3, shuffle=True",
        "SeqDataset": "seq_tokens, seq_positions, targets, seq_time_diffs",
        "SequenceDataGenerator": "seq_tokens, seq_positions, targets, seq_time_diffs",
        "SequenceDataGenerator.generate_dataloader": "batch_size=32, num_workers=0, "
        "split_ratio=None, shuffle=True",
        "EmbDataset": "data_path, device='cpu'",
        "TigerSeqDataset": "inters_json, indices_json, max_his_len, mode='train', sample_num=0",
        "TigerSeqDataset.get_new_tokens": "",
        "TigerSeqDataset.get_all_items": "as_list=False",
        "TigerSeqDataset.get_prefix_allowed_tokens_fn": "tokenizer",
        "TigerSeqDataset.get_collate_fn": "tokenizer",
        "Trie": "sequences=()",
        "Trie.def_prefix_allowed_tokens_fn": "candidate_trie",
        "Trie.append": "trie, bos_token_id",
        "Trie.add": "sequence",
        "Trie.get": "prefix_sequence",
        "Trie.load_from_dict": "trie_dict",
    },
    "utils.hstu_utils": {
        "RelPosBias": "n_heads, max_seq_len, num_buckets=32",
        "RelativeBucketedTimeAndPositionBias": f"n_heads, max_seq_len, {TIME}",
        "RelativeBucketedTimeAndPositionBias.forward": "time_diffs=None, seq_len=None",
        "VocabMask": "vocab_size, invalid_items=None",
        "VocabMask.apply_mask": "logits, invalid_ids=None",
    },
    "utils.match": {
        "gen_model_input": "df, user_profile, user_col, item_profile, item_col, seq_max_len, "
        "padding='pre', truncating='pre'",
        "negative_sample": "items_cnt_order, ratio, method_id=0",
        "inbatch_negative_sampling": "scores, neg_ratio=None, hard_negative=False, generator=None",
        "gather_inbatch_logits": "scores, neg_indices",
        "generate_seq_feature_match": "data, user_col, item_col, time_col, "
        "item_attribute_cols=None, sample_method=0, mode=0, neg_ratio=0, min_item=0",
        "Annoy": "metric='angular', n_trees=10, search_k=-1",
        "Annoy.fit": "X",
        "Annoy.set_query_arguments": "search_k",
        "Annoy.query": "v, n",
        "Milvus": "dim=64, host='localhost', port='19530'",
        "Milvus.fit": "X",
        "Milvus.process_result": "results",
        "Milvus.query": "v, n",
        "Faiss": "dim, index_type='flat', nlist=100, m=32, metric='l2'",
        "Faiss.fit": "X",
        "Faiss.query": "v, n",
        "Faiss.set_query_arguments": "nprobe=None, efSearch=None",
        "Faiss.save_index": "filepath",
        "Faiss.load_index": "filepath",
    },
    "utils.model_utils": {
        "extract_feature_info": "model",
        "generate_dummy_input": "features, batch_size=2, seq_length=10, device='cpu'",
        "generate_dummy_input_dict": "features, batch_size=2, seq_length=10, device='cpu'",
        "generate_dynamic_axes": "input_names, output_names=None, batch_dim=0, "
        "include_seq_dim=True, seq_features=None",
    },
    "utils.onnx_export": {
        "ONNXWrapper": "model, input_names, mode=None",
        "ONNXWrapper.restore_mode": "",
        "ONNXExporter": "model, device='cpu'",
        "ONNXExporter.export": f"output_path, mode=None, {TRACED}verbose=False, "
        "onnx_export_kwargs=None",
        "ONNXExporter.get_input_info": "mode=None",
    },
    "utils.quantization": {"quantize_model": "input_path, output_path, mode='int8'"},
    "utils.visualization": {
        "display_graph": "graph, format='png'",
        "visualize_model": f"model, input_data=None, batch_size=2, seq_length=10, {DRAWN}"
        "device='cpu', dpi=300",
    },
    "utils.mtl": {
        "shared_task_layers": "model",
        "MetaBalance": "parameters, relax_factor=0.7, beta=0.9",
        "gradnorm": "loss_list, loss_weight, share_layer, initial_task_loss, alpha",
    },
}
CASES = [(f"{module}:{name}", NAMES[module][name]) for module in NAMES for name in NAMES[module]]


def parameters(function):
    """Each parameter's name, kind and default, without self and without what is by keyword only."""
    found = inspect.signature(function).parameters.values()
    found = [p for p in found if p.name != "self" and p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    return [(p.name, p.kind, p.default) for p in found]


@pytest.mark.parametrize(("where", "expected"), CASES, ids=[where for where, _ in CASES])
def test_arguments_have_the_names_order_and_defaults_of_0_9(where, expected):
    module, _, path = where.partition(":")
    found = import_module(f"torch_rechub.{module}")
    for name in path.split("."):
        found = getattr(found, name)
    scope = {"torch": torch, "RandomNormal": RandomNormal}
    wanted = parameters(eval(f"lambda {expected}: 0", scope))
    made = [*parameters(found), *[None] * len(wanted)]
    for (name, kind, default), actual in zip(wanted, made):
        if "factory" in repr(actual):  # a dataclass makes its default anew for each instance
            default = actual[2]
        assert actual == (name, kind, default)
    assert len(parameters(found)) == len(wanted), "what was added must be by keyword only"


# NeuMF's network reads user and item together
OF_TOWERS = set(import_module("torch_rechub.models.matching").__all__) - {"NeuMF"}


@pytest.mark.parametrize("model", sorted(OF_TOWERS))
@pytest.mark.parametrize("method", ["forward", "user_tower", "item_tower"])
def test_matching_models_have_two_towers(model, method):
    model = getattr(import_module("torch_rechub.models.matching"), model)
    x, *others = parameters(getattr(model, method))
    of_session = method == "forward" and issubclass(model, SessionModel)
    assert x[0] == ("input_dict" if of_session else "x")
    assert all(default is None for _, _, default in others)


@pytest.mark.parametrize(
    ("room", "modules"),
    [
        (
            "ranking",
            "afm.AFM autoint.AutoInt bst.BST dcn.DCN dcn_v2.DCNv2 deepffm.DeepFFM "
            "deepffm.FatDeepFFM deepfm.DeepFM dien.DIEN din.DIN edcn.EDCN fibinet.FiBiNet "
            "widedeep.WideDeep",
        ),
        (
            "matching",
            "dssm.DSSM dssm_facebook.FaceBookDSSM youtube_dnn.YoutubeDNN gru4rec.GRU4Rec "
            "sasrec.SASRec comirec.ComirecDR comirec.ComirecSA mind.MIND narm.NARM sine.SINE "
            "stamp.STAMP youtube_sbc.YoutubeSBC",
        ),
        ("multi_task", "aitm.AITM esmm.ESMM mmoe.MMOE ple.PLE shared_bottom.SharedBottom"),
        ("generative", "hllm.HLLMModel hstu.HSTUModel rqvae.RQVAEModel tiger.TIGERModel"),
    ],
)
def test_each_model_can_be_imported_from_its_module_too(room, modules):
    package = import_module(f"torch_rechub.models.{room}")
    for module, name in (path.split(".") for path in modules.split()):
        found = getattr(import_module(f"torch_rechub.models.{room}.{module}"), name)
        assert found is getattr(package, name)
