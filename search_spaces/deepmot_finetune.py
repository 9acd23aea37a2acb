"""`python -m study.run deepmot_finetune`, after `deepmot_base`: does training on dMOTA and dMOTP help a tracker?

Every trial starts from the base tracker of its seed, and makes as many steps as the others: by the base's own losses,
with as many frames a step or with the twice as many that the others see in their pairs; or with soft MOTA, soft MOTP or
both beside them, weighed by hand (equally, and dMOTP five times as much, as the paper has it) or by GradNorm.
"""

from search_spaces.deepmot_base import STUDY as BASE
from study.config import Objective, Study
from study.losses.objectives import DEEPMOT, FAIRMOT
from study.weighting import gradnorm, hwf


def beside_fairmot(name: str) -> Objective:
    """FairMOT's losses and one of DeepMOT's."""
    (loss,) = (loss for loss in DEEPMOT.task_losses if loss.name == name)
    return Objective(name=f"fairmot_{name}", task_losses=(*FAIRMOT.task_losses, loss))


STUDY = Study(
    name="deepmot_finetune",
    description="dMOTA and dMOTP on trained trackers (first deepmot_base), by hand and by GradNorm (10 minutes)",
    data=BASE.data,
    tracker=BASE.tracker,
    objective=DEEPMOT,
    weighting=BASE.weighting,
    train=BASE.train.model_copy(
        update={"start_from": "deepmot_base", "epochs": 4, "steps_per_epoch": 120, "validate_every": 4, "lr": 5e-4}
    ),
    points=(
        {"objective": FAIRMOT},
        {"objective": FAIRMOT, "train.batch_size": 2 * BASE.train.batch_size},
        {"objective": beside_fairmot("dmota")},
        {"objective": beside_fairmot("dmotp")},
        {},
        {"weighting": hwf.Config(loss_weights={"size": 0.1, "dmotp": 5.0})},
        {"weighting": gradnorm.Config()},
    ),
    seeds=BASE.seeds,
)
