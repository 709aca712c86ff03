"""The perturbation methods that come with matekd-bench, one file or small folder each."""
