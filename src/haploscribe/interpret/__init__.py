"""What a prediction rests on: variants, tiles, and where they lie."""
