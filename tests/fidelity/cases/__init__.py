"""All cases, by the parts of a page that they are about."""

from tests.fidelity.case import by_name
from tests.fidelity.cases import (
    content,
    forms,
    frames,
    graphics,
    interaction,
    motion,
    shadow,
    styles,
)

ALL = by_name(
    case
    for part in (content, forms, interaction, shadow, styles, frames, graphics, motion)
    for case in part.CASES
)
