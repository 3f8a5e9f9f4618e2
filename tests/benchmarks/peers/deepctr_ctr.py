"""DeepFM of DeepCTR-Torch.

Its L2 penalties, on by default for embeddings and first-order weights, are 0; batch normalization
is on. First-order weights: a number for each id, and 13 of the dense fields.
"""

import torch
from deepctr_torch.inputs import DenseFeat, SparseFeat
from deepctr_torch.models import DeepFM
from sklearn.metrics import roc_auc_score

from workloads.ctr import CATEGORIES, DENSE, DIM, HIDDEN, LEARNING_RATE, load
from workloads.protocol import answer, parser, start, timed


def main() -> None:
    args = parser(__doc__).parse_args()
    start(args)
    log = load(args.data)
    train, test = log.split()
    x_train, x_test = train.columns(), test.columns()
    columns = [SparseFeat(n, s, embedding_dim=DIM) for n, s in zip(CATEGORIES, log.sizes)]
    columns += [DenseFeat(n, 1) for n in DENSE]
    model = DeepFM(
        columns,
        columns,
        dnn_hidden_units=HIDDEN,
        dnn_dropout=0,
        dnn_use_bn=True,
        l2_reg_linear=0,
        l2_reg_embedding=0,
        l2_reg_dnn=0,
        seed=args.seed,
        task="binary",
        device="cpu",
    )
    model.compile(
        torch.optim.Adam(model.parameters(), LEARNING_RATE), "binary_crossentropy", metrics=[]
    )
    fit, _ = timed(
        lambda: model.fit(
            x_train, train.labels, batch_size=args.batch, epochs=args.epochs, verbose=0
        )
    )
    evaluation, auc = timed(lambda: roc_auc_score(test.labels, model.predict(x_test, args.batch)))
    answer(
        args,
        ["deepctr-torch"],
        train_samples_per_s=len(train) * args.epochs / fit,
        eval_samples_per_s=len(test) / evaluation,
        auc=float(auc),
        best_auc=test.best_auc,
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
