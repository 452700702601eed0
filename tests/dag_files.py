"""DAG files for tests: good ones as people write them for dag-factory, and bad ones that once did harm."""
# ruff: noqa: E501 - a file a line

from pathlib import Path

_ROOT = Path(__file__).parents[1]
_TASK = "{operator: airflow.operators.bash.BashOperator, bash_command: echo}"
_DAG = "x:\n  default_args: {start_date: 2020-01-01}\n"

ETL = f"""
default:
  default_args: &defaults
    owner: data
    start_date: 2 days
    retries: 2
    retry_delay_sec: 300
    timezone: Europe/Warsaw
  catchup: false
etl.daily:
  schedule: "0 3 * * *"
  timezone: America/New_York
  start_date: 2024-01-31T12:00:00+01:00
  tags: [etl, "1"]
  params: {{n: 0x1F, ratio: 1.5e3, day: 2024-02-30x, when: 2024-02-29, on_time: true, none: null, deep: {{a: [1, {{b: 2}}]}}}}
  dagrun_timeout: {{__type__: datetime.timedelta, __args__: [1], hours: 2}}
  tasks:
    - task_id: extract
      operator: airflow.operators.bash.BashOperator
      bash_command: |
        echo "{{{{ ds }}}}" $HOME
      env: {{A: 1, B: "{{{{ params.n }}}}"}}
      execution_timeout: 5 minutes
    - task_id: transform
      operator: airflow.operators.python.PythonOperator
      python_callable_file: $CODE/etl.py
      python_callable_name: go
      op_kwargs: {{rows: 1_000, at: 12:30:45}}
      dependencies: [extract]
      trigger_rule: one_done
    - task_id: żółć
      operator: airflow.providers.http.operators.http.HttpOperator
      endpoint: /x?y=1
      headers: {{Content-Type: application/json}}
      data: {{<<: *defaults, more: "é\\u00e9"}}
      dependencies: [extract, transform]
other:
  tasks: {{a: {_TASK}, b: {_TASK}}}
  on_failure_callback: a.b
  description: >-
    folded
    text
"""

_BAD: dict[str, str | bytes] = {
        "merge_of_itself": "a: &a\n  <<: *a\n  b: 1\n",
        "merges_of_each_other": "a: &a\n  b: &b {<<: *a}\n  <<: *b\n",
        "alias_of_itself": "a: &a [*a]\n",
        "key_of_itself": "a: &a {*a : 1}\n",
        "laughs": "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        "merge_chain": "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 300)),
        "many_merges": "a: &a {x: 1}\nb: {<<: [" + "*a, " * 60_000 + "*a]}\n",
        "hex_digits": f"{_DAG}  params: {{n: 0x{'f' * 5000}}}\n  tasks: {{a: {_TASK}}}\n",
        "octal_digits": f"{_DAG}  params: {{n: 0{'7' * 500_000}}}\n  tasks: {{a: {_TASK}}}\n",
        "binary_digits": f"{_DAG}  params: {{n: 0b{'1' * 500_000}}}\n  tasks: {{a: {_TASK}}}\n",
        "decimal_digits": f"{_DAG}  params: {{n: {'9' * 500_000}}}\n  tasks: {{a: {_TASK}}}\n",
        "underscores": f"{_DAG}  params: {{n: 1{'_' * 500_000}}}\n  tasks: {{a: {_TASK}}}\n",
        "sexagesimal": f"{_DAG}  params: {{n: 1{':1' * 250_000}}}\n  tasks: {{a: {_TASK}}}\n",
        "sexagesimal_float": f"{_DAG}  params: {{n: 1{':1' * 250_000}.5}}\n  tasks: {{a: {_TASK}}}\n",
        "duration": f"{_DAG}  dagrun_timeout: 1{'0' * 400}\n  tasks: {{a: {_TASK}}}\n",
        "duration_of_100_digits": f"{_DAG}  dagrun_timeout: {'9' * 90}\n  tasks: {{a: {_TASK}}}\n",
        "duration_float": f"{_DAG}  dagrun_timeout: 1.0e+308\n  tasks: {{a: {_TASK}}}\n",
        "duration_text": f"{_DAG}  dagrun_timeout: {'9' * 5000} days\n  tasks: {{a: {_TASK}}}\n",
        "duration_spaces": f"{_DAG}  dagrun_timeout: '1 day{' ' * 500_000}x'\n  tasks: {{a: {_TASK}}}\n",
        "timedelta": f"{_DAG}  dagrun_timeout: {{__type__: datetime.timedelta, days: 99999999999}}\n  tasks: {{a: {_TASK}}}\n",
        "date_too_early": f"{_DAG}  start_date: 0001-01-01T00:00:00+14:00\n  tasks: {{a: {_TASK}}}\n",
        "date_too_late": f"{_DAG}  end_date: '9999-12-31T23:59:59-14:00'\n  tasks: {{a: {_TASK}}}\n",
        "year_0": f"{_DAG}  start_date: 0000-01-01\n  tasks: {{a: {_TASK}}}\n",
        "offset": f"{_DAG}  start_date: 2020-01-01T00:00:00+99:99\n  tasks: {{a: {_TASK}}}\n",
        "nan": f"{_DAG}  params: {{n: .nan}}\n  tasks: {{a: {_TASK}}}\n",
        "infinity": f"{_DAG}  dagrun_timeout: 1.0e+999\n  tasks: {{a: {_TASK}}}\n",
        "zone": f"{_DAG}  timezone: '{'../' * 10_000}etc/passwd'\n  tasks: {{a: {_TASK}}}\n",
        "zone_nul": f'{_DAG}  timezone: "a\\0b"\n  tasks: {{a: {_TASK}}}\n',
        "schedule_type": f"{_DAG}  schedule: {{type: [cron], value: 1}}\n  tasks: {{a: {_TASK}}}\n  end_date: x\n",
        "type_of_a_list": f"{_DAG}  end_date: {{__type__: [a]}}\n  tasks: {{a: {_TASK}}}\n",
        "cron": f"{_DAG}  schedule: '{'*/1,' * 100_000}* * * * *'\n  tasks: {{a: {_TASK}}}\n",
        "depth": "[" * 500_000,
        "depth_of_blocks": "".join(f"{' ' * n}a:\n" for n in range(1000)),
        "many_nodes": "x: [" + "a," * 500_000 + "a]",
        "many_tasks": f"{_DAG}  tasks: {{" + ", ".join(f"t{n}: {_TASK}" for n in range(20_000)) + "}\n",
        "circle": f"{_DAG}  tasks:\n" + "".join(
            f"    t{n}: {{operator: a.B, dependencies: [t{(n + 1) % 3000}]}}\n" for n in range(3000)),
        "joins": "".join(f"a{n}: &a{n} {{__join__: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" if n else "a0: &a0 " + "x" * 100_000 + "\n" for n in range(6)),
        "joins_of_lists": "a: &a [" + "x" * 9000 + "]\nb: !or [" + "*a, " * 4000 + "*a]\n",
        "groups_in_groups": f"{_DAG}  task_groups:\n" + "".join(
            f"    g{n}: {{parent_group_name: g{n + 1}}}\n" for n in range(3000)) + f"    g3000: {{}}\n  tasks: {{a: {_TASK}}}\n",
        "circle_of_groups": f"{_DAG}  task_groups:\n" + "".join(
            f"    g{n}: {{parent_group_name: g{(n + 1) % 3000}}}\n" for n in range(3000)) + f"  tasks: {{a: {_TASK}}}\n",
        "groups_below_each_other": f"{_DAG}  task_groups: {{a: {{}}, b: {{dependencies: [a]}}}}\n  tasks:\n" + "".join(
            f"    t{n}: {{operator: a.B, task_group_name: {'ab'[n % 2]}}}\n" for n in range(8000)),
        "large": b"#" * (2**20 + 1),
        "binary": bytes(range(256)) * 100,
        "utf_16": "x: {tasks: {}}".encode("utf-16"),
        "nul": b"x:\0 1\n",
        "surrogate": 'x: "\\uD800"\n',
        "surrogate_key": '"\\uDC00": 1\n',
        "bad_utf_8": b"x: \xed\xa0\x80\n",
        "twice": "x: 1\nx: 2\n",
        "python_object": "x: !!python/object/apply:os.system [id]\n",
        "set": "x: !!set {a}\n",
        "id_with_nul": '"a\\0b": {}\n',
        "id_with_slash": "../x: {}\n",
        "long_id": f"{'x' * 251}: {{}}\n",
        "long_operator": f"{_DAG}  tasks: {{a: {{operator: a.{'B' * 5000}}}}}\n",
        "long_key": f"{_DAG}  tasks: {{a: {{operator: airflow.operators.bash.BashOperator, {'? ' + 'k' * 100_000}: 1}}}}\n",
        "encoding": f'{_DAG}  tasks: {{a: {{operator: airflow.operators.bash.BashOperator, bash_command: x, output_encoding: "{"é" * 99}"}}}}\n',
        "params_times_tasks": _DAG + "  params: {" + ", ".join(f"p{n}: {n}" for n in range(20_000)) + "}\n  tasks: {"
            + ", ".join(f"t{n}: {{operator: a.B}}" for n in range(8000)) + "}\n",
}  # fmt: skip
BAD = {name: text.encode() if isinstance(text, str) else text for name, text in _BAD.items()}


def seeds() -> list[bytes]:
    """All files that a fuzzer may begin with; the long ones among the bad ones are left out."""
    folders = (_ROOT / "dags", _ROOT / "tests/fixtures/dags")
    files = [file.read_bytes() for folder in folders for file in sorted(folder.rglob("*.y*ml"))]
    return [*files, ETL.encode(), *(raw for raw in BAD.values() if len(raw) < 6000)]
