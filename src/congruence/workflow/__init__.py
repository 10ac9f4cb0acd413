"""
Where reading, computing and writing meet.

`steps` has the calls of a notebook: ``open_runs(...).choose(...).load(...)``.
`job` is the whole analysis that ``congruence cluster`` runs from a
`config.ClusterConfig`; `results` writes its folder, `folder` makes sure that
the folder appears whole or not at all, `members` and `densities` fill the
folder of a cluster. `recluster` starts from a saved matrix, `overview` looks
into runs quickly, `demo` is the demonstration. A `reporting.Reporter` is told
of progress; nothing here prints.
"""
