# The targets for newcomers. Everything goes into .venv and .windsock, which git ignores.

# `make run ARGS='--port 8081'`
ARGS ?=

# The Debian packages come first: some Python packages are compiled with their headers.
development = scripts/apt-packages.sh && scripts/venv.sh standalone,kerberos,test

.DEFAULT_GOAL := help
.PHONY: help run test test-faults test-airflow test-clients test-page test-pythons test-latest test-oldest lock soak loadtest lint format unit bench bench-auth bench-page bench-scheduler bench-schedules clean screenshots

help:
	@echo "make run              serve, with an embedded Postgres, http://127.0.0.1:8080"
	@echo "                      ARGS='--port 8081' passes options"
	@echo "make test             linters, type checks and all but the longest tests"
	@echo "make lint             only the linters and type checks"
	@echo "make unit             only the tests; ARGS='tests/unit -k name' chooses some"
	@echo "make test-clients     Airflow 1.10.15's own command line, and other clients"
	@echo "make test-page        the page in Chromium and Firefox: 3 minutes"
	@echo "make test-airflow     tests beside real Airflows, which it installs: 20 minutes"
	@echo "make test-faults      tests that break Postgres, the network and processes"
	@echo "make test-systemd     as root: install, upgrade and removal: 5 minutes"
	@echo "make test-pythons     unit and contract tests on Python 3.11, 3.12 and 3.13"
	@echo "make test-latest      tests with the newest releases that setup.py admits"
	@echo "make test-oldest      unit and contract tests with the oldest ones"
	@echo "make soak             an hour of load and faults; ARGS='--minutes 10' for less"
	@echo "make loadtest         locust simulates callers; ARGS='--host http://...'"
	@echo "make lock             renew the lock files in requirements/"
	@echo "make format           format the code"
	@echo "make bench            compare with other servers; QUICK=1, ARGS='--only trigger'"
	@echo "make bench-auth       the cost of authentication and permissions: 9 minutes"
	@echo "make bench-scheduler  compare the scheduler with an Airflow's: 10 minutes"
	@echo "make bench-schedules  1,000 schedules: how soon, and idle; ARGS=--quick for less"
	@echo "make bench-page       what the page costs: size, time, processors: 6 minutes"
	@echo "make screenshots      the pictures of README.md and docs/page.md"
	@echo "make clean            remove .venv and caches; the database stays"

run:
	@scripts/venv.sh standalone
	@exec .venv/bin/windsock standalone $(ARGS)

test: lint unit

lint:
	@$(development)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/python scripts/private_names.py
	.venv/bin/biome check --error-on-warnings --no-errors-on-unmatched

# A worker for each core; the tests of one file stay together, because they share what is costly to start. They begin in the
# order of the folders: the quick ones of tests/unit come last, so that no worker ends long before the others.
parallel = -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

unit:
	@$(development)
	.venv/bin/pytest $(or $(ARGS),$(parallel))

# WINDSOCK_AIRFLOWS='2.7.3 3.0.6' chooses; tests/airflow/releases.py lists the releases.
test-airflow:
	@$(development)
	.venv/bin/pytest -m airflow $(ARGS) tests/airflow

# Other people's clients, installed once into .airflow-cache.
test-clients:
	@$(development)
	.venv/bin/pytest -m clients $(ARGS) tests/clients

# The page in Debian's Chromium and Firefox ESR.
test-page:
	@$(development)
	.venv/bin/pytest -m page $(ARGS) tests/page

test-faults:
	@$(development)
	.venv/bin/pytest tests/faults -n 2 $(ARGS)

soak:
	@$(development)
	.venv/bin/python -m tests.soak $(ARGS)

# locust has an environment of its own.
loadtest:
	@scripts/venv.sh standalone
	@scripts/venv.sh loadtest .loadtest
	.venv/bin/python deploy/loadtest/run.py --locust .loadtest/bin/locust --windsock .venv/bin/windsock $(ARGS)

# What users get who install without the lock files. ARGS='tests' runs everything.
test-latest test-oldest: test-%:
	@scripts/apt-packages.sh
	@scripts/resolve.sh $* .$*
	.$*/bin/pytest $(parallel) $(or $(ARGS),$(if $(filter latest,$*),tests/unit tests/contract tests/integration,tests/unit tests/contract))

# PYTHONS='3.13' chooses.
PYTHONS ?= 3.11 3.12 3.13
test-pythons: $(PYTHONS:%=test-python%)
test-python%:
	@scripts/apt-packages.sh
	@PYTHON=$$(scripts/python.sh $*) scripts/venv.sh standalone,kerberos,test .python$*
	.python$*/bin/pytest $(or $(ARGS),$(parallel) tests/unit tests/contract)

lock:
	@scripts/lock.sh

format:
	@$(development)
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .
	.venv/bin/biome check --write --no-errors-on-unmatched

bench:
	@$(development)
	.venv/bin/python -m bench $(if $(QUICK),--quick) $(ARGS)

bench-auth:
	@$(development)
	.venv/bin/python -m bench.authentication $(ARGS)

bench-scheduler:
	@$(development)
	.venv/bin/python -m bench.scheduler $(ARGS)

bench-schedules:
	@$(development)
	.venv/bin/python -m bench.schedules $(ARGS)

bench-page:
	@$(development)
	.venv/bin/python -m bench.page $(ARGS)

screenshots:
	@$(development)
	.venv/bin/python -m scripts.screenshots $(ARGS)

clean:
	rm -rf .venv .latest .oldest .lock .python3.* build dist *.egg-info .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

# As root: boots a private systemd and installs, restarts and removes the service in it.
.PHONY: test-systemd
test-systemd:
	@$(development)
	.venv/bin/pytest -m systemd -n 0 -v $(ARGS) tests/systemd
