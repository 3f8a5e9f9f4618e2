"""DeepFM of this repository, or of torch-rechub 0.9: the same script runs on both.

Ours: first-order weights a number for each id. 0.9: first-order part linear in the embeddings.
Both have batch normalization in the MLP, which every peer has been given therefore.
Timed are epochs without what `fit` does around them: no other peer writes its model to disk.
Options are arguments of CTRTrainer; those that end in `_fn` name a class by its path.
"""

from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator
from workloads.ctr import CATEGORIES, DENSE, DIM, HIDDEN, LEARNING_RATE, load
from workloads.protocol import answer, parser, resolved, start, timed


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--distribution", required=True, help="what brings torch_rechub")
    args = arguments.parse_args()
    start(args)
    log = load(args.data)
    train, test = log.split()
    sparse = [SparseFeature(n, s, embed_dim=DIM) for n, s in zip(CATEGORIES, log.sizes)]
    dense = [DenseFeature(n) for n in DENSE]
    x_test = test.columns()
    train_loader, _, test_loader = DataGenerator(train.columns(), train.labels).generate_dataloader(
        x_val=x_test, y_val=test.labels, x_test=x_test, y_test=test.labels, batch_size=args.batch
    )
    model = DeepFM(sparse + dense, sparse, {"dims": HIDDEN, "dropout": 0.0, "activation": "relu"})
    settings = {
        "optimizer_params": {"lr": LEARNING_RATE, "weight_decay": 0.0},
        "n_epoch": args.epochs,
        "model_path": args.scratch,
        **resolved(args.options),
    }
    trainer = CTRTrainer(model, **settings)
    fit, _ = timed(lambda: [trainer.train_one_epoch(train_loader) for _ in range(args.epochs)])
    evaluation, auc = timed(lambda: trainer.evaluate(trainer.model, test_loader))
    answer(
        args,
        [args.distribution],
        train_samples_per_s=len(train) * args.epochs / fit,
        eval_samples_per_s=len(test) / evaluation,
        auc=float(auc),
        best_auc=test.best_auc,
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
