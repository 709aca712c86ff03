"""Training of one network with one method.

To follow a run from its start to its end, read `matekd_bench.distill.student_run` (the loop over updates, evaluations
and checkpoints), then in this package `session` (the parts of a training, in order of construction), `trainer`
(the updates), `forward_passes` and `loss` (one view), `optimizer` (one step), `evaluation`, `resume` (checkpoints),
`outcome` (the results of a run) and `ddp` (several processes).
"""
