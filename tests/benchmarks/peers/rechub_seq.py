"""HSTU of this repository, or of torch-rechub 0.9, predicting the next item.

Both train as they do by default: Adam at 1e-3 with a weight decay of 1e-5.
"""

from torch_rechub.models.generative import HSTUModel
from torch_rechub.trainers import SeqTrainer
from torch_rechub.utils.data import SequenceDataGenerator
from workloads.protocol import answer, parser, resolved, start, timed
from workloads.seq import MODEL, VOCAB, load


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--distribution", required=True, help="what brings torch_rechub")
    args = arguments.parse_args()
    start(args)
    x = load(args.data)
    rows, length = x["tokens"].shape
    data = SequenceDataGenerator(x["tokens"], x["positions"], x["targets"], x["seconds"])
    loader = data.generate_dataloader(batch_size=args.batch)[0]
    model = HSTUModel(vocab_size=VOCAB, max_seq_len=length, **MODEL)
    settings = {"n_epoch": args.epochs, "model_path": args.scratch, **resolved(args.options)}
    trainer = SeqTrainer(model, **settings)
    fit, _ = timed(lambda: trainer.fit(loader))
    answer(
        args,
        [args.distribution],
        train_samples_per_s=rows * args.epochs / fit,
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
