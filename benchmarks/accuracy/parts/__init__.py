"""The parts of the benchmark `accuracy`: what each runs, and the tables that it gives."""
