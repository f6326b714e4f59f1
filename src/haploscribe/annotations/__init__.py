"""What is known of a variant beside its position: signals, intervals and scores, as features."""
