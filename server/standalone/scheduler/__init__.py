"""The standalone scheduler: runs what was triggered.

- `states`: the states and every transition between them, in one table
- `rules`, `graph`, `decide`: from the states of a run's tasks to what happens next, without database or clock
- `limits`: which tasks may start now, without database
- `agenda`: which runs to look at, and when
- `store`: the database, which is the truth
- `scheduler`: the loop that puts these together
- `zombies`: the reaper of tasks that a dead scheduler left behind
- `context`, `names`, `templates`: what tasks may know about their run
- `attempt`, `bash`, `python`, `http`: one try of one task
- `processes`: process groups, one for each task
- `service`: the process `windsock scheduler`
"""
