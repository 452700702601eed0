"""The standalone scheduler: runs what was triggered.

The process:
- `entry_point`: `windsock scheduler`: makes the parts below and runs them
- `child_process`: the same as a child of `windsock standalone`, which starts it again if it ends
- `notifications`, `lease`: the connection that listens, and the lease that it renews: without it no task is started

The loop, which asks `store` and `jobs` for everything in the database:
- `scheduler`: in each round reports what has ended, examines runs, claims tasks and starts them
- `agenda`: which runs to examine, and when
- `examine`: examines runs in one transaction; `decide`, `rules`, `graph`, `priorities` and `retries` say what happens
  next, without database or clock; `graphs` reads the DAGs that they need, large ones
  in `graph_process`
- `claim`: queues tasks, as `limits` allows
- `reports`: writes how tries ended
- `reaper`: takes the tasks of dead schedulers away from them
- `states`: the states, and every transition between them, in one table

One try of a task:
- `local_executor`: the tries under way
- `task_runner`: one try, from its log's first line to its last; it calls one of `run_bash`, `run_python` and `run_http`
- `run_command`, `process_groups`, `output`, `workspace`: a command of a task, its processes, their output and folder
- `python_task`, `http_connection`: what the process of a Python task runs, and the connections of HTTP tasks
- `context`, `names`, `templates`, `renderer`, `render_process`: what a task may know about its run
- `results`, `task_outcomes`: what it leaves for others, and how it can fail or skip itself
"""
