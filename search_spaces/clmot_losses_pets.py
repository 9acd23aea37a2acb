"""`python -m study.run clmot_losses_pets --data DIR`: `clmot_losses` on the real sequence PETS09-S2L1."""

from search_spaces.clmot_losses_mot17 import STUDY as MOT17

STUDY = MOT17.model_copy(
    update={
        "name": "clmot_losses_pets",
        "description": "CL-MOT's table 3 on the real sequence PETS09-S2L1, three seeds (--data DIR; about 25 minutes)",
        "data": MOT17.data.model_copy(
            update={
                "train": ("PETS09-S2L1[1-380]",),
                "val": ("PETS09-S2L1[401-590]",),
                "test": ("PETS09-S2L1[611-795]",),
                "image_size": (320, 240),
            }
        ),
        "train": MOT17.train.model_copy(update={"epochs": 10, "validate_every": 10}),
    }
)
