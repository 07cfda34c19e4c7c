"""What the course asks for: ranking, metrics.txt, submission and its proof."""

COURSE_SETS = ("normal", "wall", "wall_other", "expert")
SETS = (*COURSE_SETS, "long", "rooms", "doors", "maze")
"""Names of the losses; from `long` on, the sets are ours."""
