"""Training of one network with one method.

To follow a run from its start to its end, read `session` (what is made, in which order), `trainer` (the updates),
`forward_passes` and `loss` (one view), `optimizer` (one step), `evaluation`, and `resume` (checkpoints).
"""
