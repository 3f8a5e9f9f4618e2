"""DSSM with in-batch negatives of this repository, or of torch-rechub 0.9.

Both train as they do by default: Adam at 1e-3 with a weight decay of 1e-5.
"""

import numpy as np

from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.matching import DSSM
from torch_rechub.trainers import MatchTrainer
from torch_rechub.utils.data import MatchDataGenerator
from workloads.match import DIM, ITEMS, TEMPERATURE, TOWER, USERS, load
from workloads.protocol import answer, parser, resolved, start, timed


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--distribution", required=True, help="what brings torch_rechub")
    args = arguments.parse_args()
    start(args)
    x = load(args.data)
    rows = len(x["user_id"])
    users, items = (
        [SparseFeature(name, size, embed_dim=DIM) for name, size in fields.items()]
        for fields in (USERS, ITEMS)
    )
    few = {name: np.zeros(2, dtype=np.int64) for name in x}
    loader, _, _ = MatchDataGenerator(x, np.ones(rows)).generate_dataloader(
        {name: few[name] for name in USERS},
        {name: few[name] for name in ITEMS},
        batch_size=args.batch,
        num_workers=0,
    )
    tower = {"dims": TOWER}
    model = DSSM(users, items, user_params=tower, item_params=tower, temperature=TEMPERATURE)
    settings = {"n_epoch": args.epochs, "model_path": args.scratch, **resolved(args.options)}
    trainer = MatchTrainer(model, mode=0, in_batch_neg=True, **settings)
    fit, _ = timed(lambda: trainer.fit(loader))
    answer(
        args,
        [args.distribution],
        train_samples_per_s=rows * args.epochs / fit,
        parameters=sum(p.numel() for p in model.parameters()),
    )


if __name__ == "__main__":
    main()
