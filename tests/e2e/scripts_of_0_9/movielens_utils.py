"""What the scripts of matching share: the sample, its encoding, and how retrieval is measured."""

import collections

import numpy as np
import pandas as pd
from sklearn.preprocessing import LabelEncoder

from torch_rechub.basic.metric import topk_metrics
from torch_rechub.utils.data import df_to_dict
from torch_rechub.utils.match import Annoy, gen_model_input, generate_seq_feature_match

USER_COLS = ["user_id", "gender", "age", "occupation", "zip"]
ITEM_COLS = ["movie_id", "cate_id"]


def get_movielens_data(data_path, mode, neg_ratio=3, seq_max_len=10):
    """Encoded profiles, and inputs of training and test, histories padded behind."""
    data = pd.read_csv(data_path)
    data["cate_id"] = data["genres"].apply(lambda x: x.split("|")[0])
    feature_max_idx = {}
    for feature in ["user_id", "movie_id", "gender", "age", "occupation", "zip", "cate_id"]:
        data[feature] = LabelEncoder().fit_transform(data[feature]) + 1
        feature_max_idx[feature] = data[feature].max() + 1
    user_profile = data[USER_COLS].drop_duplicates("user_id")
    item_profile = data[ITEM_COLS].drop_duplicates("movie_id")
    df_train, df_test = generate_seq_feature_match(
        data, "user_id", "movie_id", time_col="timestamp", item_attribute_cols=["cate_id"],
        sample_method=1, mode=mode, neg_ratio=neg_ratio, min_item=0,
    )  # fmt: skip
    x_train, x_test = (
        gen_model_input(
            df, user_profile, "user_id", item_profile, "movie_id", seq_max_len=seq_max_len,
            padding="post", truncating="post",
        )
        for df in (df_train, df_test)
    )  # fmt: skip
    all_item = df_to_dict(item_profile)
    test_user = x_test
    return feature_max_idx, x_train, all_item, test_user


def match_evaluation(user_embedding, item_embedding, test_user, all_item, topk=10):
    """Hit rate of the nearest items, found with Annoy."""
    annoy = Annoy(n_trees=10)
    annoy.fit(item_embedding)
    match_res = collections.defaultdict(dict)
    for user_id, user_emb in zip(test_user["user_id"], user_embedding):
        if user_emb.dim() == 2:  # several interests: the nearest of all
            items_idx, items_scores = [], []
            for interest in user_emb:
                idx, scores = annoy.query(v=interest, n=topk)
                items_idx += idx
                items_scores += scores
            order = np.argsort(items_scores)
            items_idx = list(dict.fromkeys(np.array(items_idx)[order]))[:topk]
        else:
            items_idx, _ = annoy.query(v=user_emb, n=topk)
        match_res[user_id] = np.vectorize(lambda i: all_item["movie_id"][i])(items_idx)
    data = pd.DataFrame({"user": test_user["user_id"], "item": test_user["movie_id"]})
    ground_truth = data.groupby("user")["item"].apply(list).to_dict()
    out = topk_metrics(y_true=ground_truth, y_pred=match_res, topKs=[topk])
    print({name: values[0] for name, values in out.items()})
    return float(out["Hit"][0].split(":")[1])
