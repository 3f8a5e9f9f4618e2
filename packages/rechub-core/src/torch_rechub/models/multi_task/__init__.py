"""Multi-task models, which predict several labels of a row. Train them with `MTLTrainer`.

The input is a dict of tensors, the output predictions (B, T). In addition to `forward`, a model may
have optional methods and attributes that `MTLTrainer` uses:

* `logits(x)`: the predictions before the sigmoid of classification columns, for losses whose
  gradients do not vanish when the sigmoid saturates;
* `loss_weights`: the weight of the loss of each column; 0 for a column that is predicted but not
  trained on. Without it, the loss is the mean over the columns;
* `auxiliary_loss(x, predictions, y)`: a scalar added to the loss of a batch, from its inputs,
  predictions and labels (B, T);
* `check_labels(y)`: checks labels (N, T) before training;
* `shared_layers()`: the layers shared by all tasks, in order, for the balancing methods "gradnorm"
  and "metabalance".
"""

from .aitm import AITM
from .escm2 import ESCM2
from .esmm import ESMM
from .mmoe import MMOE
from .pepnet import PEPNet
from .ple import PLE
from .shared_bottom import SharedBottom

__all__ = ["AITM", "ESCM2", "ESMM", "MMOE", "PLE", "PEPNet", "SharedBottom"]
