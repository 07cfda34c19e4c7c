"""Objectives: prediction in representation space, and what keeps representations from collapsing. Those of phase 1 are
`objective(predicted, codes, variance_weight)` -> weighted losses, to be summed: predicted and true codes [B, T, D]."""

from tiny_jepa.objectives.barlow import barlow_twins, barlow_twins_loss
from tiny_jepa.objectives.decision import decision_loss, share_made
from tiny_jepa.objectives.vicreg import covariance_loss, variance_loss, vicreg

OBJECTIVES = {"vicreg": vicreg, "barlow": barlow_twins}
