"""Objectives: prediction in representation space, and what keeps representations from collapsing."""

from tiny_jepa.objectives.adapters import build_objective
from tiny_jepa.objectives.barlow import BarlowTwins, barlow_twins_loss, cross_correlation
from tiny_jepa.objectives.byol import TargetEncoder, byol_loss
from tiny_jepa.objectives.decision import decision_loss, share_made
from tiny_jepa.objectives.vicreg import VICReg, covariance_loss, invariance_loss, variance_loss
