"""Hard samples (section 4.3): from samples to questions, to sampled answers, to weighted pairs of right and wrong."""
