"""What the course asks for: ranking, report, metrics.txt, submission and its proof."""
