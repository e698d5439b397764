"""The peers' side of the benchmarks, as their users write it; each runs in the peers' own environment."""
