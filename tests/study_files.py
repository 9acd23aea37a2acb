"""Study files as users write them: a small tracker on drawn sequences."""

_TEXT = """
from study.config import Data, Execution, Study, Train
from study.losses.objectives import CLS_REG_REID
from study.search_config import Search
from study.space import Simplex
from study.tracker import chained
{imports}

STUDY = Study(
    name="tiny",
    description="a test",
    data=Data({root}image_size=(96, 64)),
    tracker=chained.Config(width=8, fpn_channels=16, tower_channels=16, tower_depth=1),
    objective=CLS_REG_REID,
    weighting={weighting},
    train=Train({train}, batch_size=2, log_every=1),
    {more}
)
"""


def study_file(
    *,
    train: str,
    weighting: str = "hwf.Config()",
    imports: str = "from study.weighting import hwf",
    root: str = 'root="synthetic:tiny", ',
    more: str = "",
) -> str:
    """Text of a file with the study `tiny`.

    Args:
        train: epochs and steps, as arguments of `Train`.
        weighting: an expression.
        imports: what it takes.
        root: of the data, with its comma; without one, what the command line or the environment says.
        more: other arguments of `Study`.
    """
    return _TEXT.format(train=train, weighting=weighting, imports=imports, root=root, more=more)
