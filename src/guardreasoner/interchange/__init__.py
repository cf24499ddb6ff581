"""From our benchmarks and guards to other evaluation frameworks, and back: inspect_ai, lm-eval, guard-eval-harness."""
