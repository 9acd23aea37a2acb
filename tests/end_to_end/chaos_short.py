"""Study of `test_chaos.py`: a search of three trials of some seconds, one by one: it must last until it is killed."""

from study.config import Data, Execution, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.search_config import Search
from study.space import Simplex
from study.tracker import chained
from study.weighting import hwf

STUDY = Study(
    name="chaos_short",
    description="Three trials of some seconds",
    data=Data(root="synthetic:tiny", image_size=(96, 64)),
    tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
    objective=CLS_REG_REID,
    weighting=hwf.Config(),
    train=Train(epochs=12, batch_size=4),
    search=Search(space={"weighting.loss_weights": Simplex()}, sampler="random", num_configurations=3),
    execution=Execution(max_concurrent_trials=1),
)
