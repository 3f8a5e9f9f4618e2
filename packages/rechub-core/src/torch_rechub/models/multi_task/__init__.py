"""Multi-task models: several labels of one row at once. Train them with `MTLTrainer`.

Each takes a dict of tensors to predictions (B, T). In addition to `forward`, a model may have
optional methods and attributes, which `MTLTrainer` then uses; a model of your own needs none:

* `logits(x)`: the predictions before the sigmoid of classification columns, for a loss that does
  not saturate;
* `loss_weights`: for each column, how much its loss counts; 0 is a column that is predicted but
  not trained on. Without it, the mean over the columns is trained on;
* `auxiliary_loss(x, predictions, y)`: a scalar to add to the loss of a batch, from its inputs, its
  predictions and labels (B, T);
* `check_labels(y)`: looks at labels (N, T) before training;
* `shared_layers()`: the layers that every task's loss reaches, the first one first, for the
  balancing methods "gradnorm" and "metabalance".
"""

from .aitm import AITM
from .escm2 import ESCM2
from .esmm import ESMM
from .mmoe import MMOE
from .pepnet import PEPNet
from .ple import PLE
from .shared_bottom import SharedBottom

__all__ = ["AITM", "ESCM2", "ESMM", "MMOE", "PLE", "PEPNet", "SharedBottom"]
