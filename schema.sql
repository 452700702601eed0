-- The standalone database: the tables of Airflow 1.10.15 that the API, authentication and the scheduler use, with
-- Airflow's own names, columns, types and keys, so that one set of statements serves both.
--
-- Applied by `windsock initdb`, or by hand: psql -1 -v ON_ERROR_STOP=1 -f schema.sql
-- Every "version" section runs once, in order; what stands before the first runs always. To change the schema, add a
-- section with the next number; a released one is never edited.

DO $$
BEGIN
    IF to_regclass('alembic_version') IS NOT NULL THEN
        RAISE EXCEPTION 'this database belongs to an Airflow (it has a table alembic_version)';
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS windsock_schema (
    version     integer     PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

-- version: 1

CREATE TABLE IF NOT EXISTS dag (
    dag_id              varchar(250)  PRIMARY KEY,
    is_paused           boolean,
    is_subdag           boolean,
    is_active           boolean,
    last_scheduler_run  timestamptz,
    last_pickled        timestamptz,
    last_expired        timestamptz,
    scheduler_lock      boolean,
    pickle_id           integer,
    fileloc             varchar(2000),
    owners              varchar(2000),
    description         text,
    default_view        varchar(25),
    schedule_interval   text,
    root_dag_id         varchar(250)
);
CREATE INDEX IF NOT EXISTS idx_root_dag_id ON dag (root_dag_id);

CREATE TABLE IF NOT EXISTS dag_tag (
    name    varchar(100) NOT NULL,
    dag_id  varchar(250) NOT NULL REFERENCES dag (dag_id),
    PRIMARY KEY (name, dag_id)
);
-- Ours: the tags of one DAG, and the foreign key's check when a DAG is deleted.
CREATE INDEX IF NOT EXISTS windsock_dag_tag_dag_id ON dag_tag (dag_id);

CREATE TABLE IF NOT EXISTS serialized_dag (
    dag_id        varchar(250)  PRIMARY KEY,
    fileloc       varchar(2000) NOT NULL,
    fileloc_hash  bigint        NOT NULL,
    data          json          NOT NULL,
    last_updated  timestamptz   NOT NULL,
    dag_hash      varchar(32)   NOT NULL DEFAULT 'Hash not calculated yet'
);
CREATE INDEX IF NOT EXISTS idx_fileloc_hash ON serialized_dag (fileloc_hash);

CREATE TABLE IF NOT EXISTS dag_code (
    fileloc_hash  bigint        PRIMARY KEY,
    fileloc       varchar(2000) NOT NULL,
    source_code   text          NOT NULL,
    last_updated  timestamptz   NOT NULL
);

CREATE TABLE IF NOT EXISTS import_error (
    id           serial PRIMARY KEY,
    "timestamp"  timestamptz,
    filename     varchar(1024),
    stacktrace   text
);

CREATE TABLE IF NOT EXISTS dag_run (
    id                serial PRIMARY KEY,
    dag_id            varchar(250),
    execution_date    timestamptz,
    state             varchar(50),
    run_id            varchar(250),
    external_trigger  boolean,
    conf              bytea,
    end_date          timestamptz,
    start_date        timestamptz,
    UNIQUE (dag_id, execution_date),
    UNIQUE (dag_id, run_id)
);
CREATE INDEX IF NOT EXISTS dag_id_state ON dag_run (dag_id, state);
-- Ours: the scheduler's queue. It stays small however many runs have finished.
CREATE INDEX IF NOT EXISTS windsock_dag_run_running ON dag_run (execution_date) WHERE state = 'running';

CREATE TABLE IF NOT EXISTS task_instance (
    task_id          varchar(250) NOT NULL,
    dag_id           varchar(250) NOT NULL,
    execution_date   timestamptz  NOT NULL,
    start_date       timestamptz,
    end_date         timestamptz,
    duration         double precision,
    state            varchar(20),
    try_number       integer,
    hostname         varchar(1000),
    unixname         varchar(1000),
    job_id           integer,
    pool             varchar(50)  NOT NULL,
    queue            varchar(256),
    priority_weight  integer,
    operator         varchar(1000),
    queued_dttm      timestamptz,
    pid              integer,
    max_tries        integer DEFAULT -1,
    executor_config  bytea,
    pool_slots       integer,
    PRIMARY KEY (task_id, dag_id, execution_date)
);
CREATE INDEX IF NOT EXISTS ti_dag_date ON task_instance (dag_id, execution_date);
CREATE INDEX IF NOT EXISTS ti_dag_state ON task_instance (dag_id, state);
CREATE INDEX IF NOT EXISTS ti_job_id ON task_instance (job_id);
CREATE INDEX IF NOT EXISTS ti_pool ON task_instance (pool, state, priority_weight);
CREATE INDEX IF NOT EXISTS ti_state ON task_instance (state);
CREATE INDEX IF NOT EXISTS ti_state_lkp ON task_instance (dag_id, task_id, execution_date, state);

CREATE TABLE IF NOT EXISTS task_fail (
    id              serial PRIMARY KEY,
    task_id         varchar(250) NOT NULL,
    dag_id          varchar(250) NOT NULL,
    execution_date  timestamptz  NOT NULL,
    start_date      timestamptz,
    end_date        timestamptz,
    duration        integer
);
CREATE INDEX IF NOT EXISTS idx_task_fail_dag_task_date ON task_fail (dag_id, task_id, execution_date);

CREATE TABLE IF NOT EXISTS task_reschedule (
    id               serial PRIMARY KEY,
    task_id          varchar(250) NOT NULL,
    dag_id           varchar(250) NOT NULL,
    execution_date   timestamptz  NOT NULL,
    try_number       integer      NOT NULL,
    start_date       timestamptz  NOT NULL,
    end_date         timestamptz  NOT NULL,
    duration         integer      NOT NULL,
    reschedule_date  timestamptz  NOT NULL,
    CONSTRAINT task_reschedule_dag_task_date_fkey FOREIGN KEY (task_id, dag_id, execution_date)
        REFERENCES task_instance (task_id, dag_id, execution_date) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_task_reschedule_dag_task_date ON task_reschedule (dag_id, task_id, execution_date);

CREATE TABLE IF NOT EXISTS rendered_task_instance_fields (
    dag_id           varchar(250) NOT NULL,
    task_id          varchar(250) NOT NULL,
    execution_date   timestamptz  NOT NULL,
    rendered_fields  json         NOT NULL,
    PRIMARY KEY (dag_id, task_id, execution_date)
);

CREATE TABLE IF NOT EXISTS xcom (
    id              serial PRIMARY KEY,
    key             varchar(512),
    value           bytea,
    "timestamp"     timestamptz  NOT NULL,
    execution_date  timestamptz  NOT NULL,
    task_id         varchar(250) NOT NULL,
    dag_id          varchar(250) NOT NULL
);
CREATE INDEX IF NOT EXISTS idx_xcom_dag_task_date ON xcom (dag_id, task_id, execution_date);

CREATE TABLE IF NOT EXISTS sla_miss (
    task_id            varchar(250) NOT NULL,
    dag_id             varchar(250) NOT NULL,
    execution_date     timestamptz  NOT NULL,
    email_sent         boolean,
    "timestamp"        timestamptz,
    description        text,
    notification_sent  boolean,
    PRIMARY KEY (task_id, dag_id, execution_date)
);
CREATE INDEX IF NOT EXISTS sm_dag ON sla_miss (dag_id);

CREATE TABLE IF NOT EXISTS job (
    id                serial PRIMARY KEY,
    dag_id            varchar(250),
    state             varchar(20),
    job_type          varchar(30),
    start_date        timestamptz,
    end_date          timestamptz,
    latest_heartbeat  timestamptz,
    executor_class    varchar(500),
    hostname          varchar(500),
    unixname          varchar(1000)
);
CREATE INDEX IF NOT EXISTS idx_job_state_heartbeat ON job (state, latest_heartbeat);
CREATE INDEX IF NOT EXISTS job_type_heart ON job (job_type, latest_heartbeat);

CREATE TABLE IF NOT EXISTS log (
    id              serial PRIMARY KEY,
    dttm            timestamptz,
    dag_id          varchar(250),
    task_id         varchar(250),
    event           varchar(30),
    execution_date  timestamptz,
    owner           varchar(500),
    extra           text
);
CREATE INDEX IF NOT EXISTS idx_log_dag ON log (dag_id);

CREATE TABLE IF NOT EXISTS slot_pool (
    id           serial PRIMARY KEY,
    pool         varchar(50) UNIQUE,
    slots        integer,
    description  text
);
INSERT INTO slot_pool (pool, slots, description)
VALUES ('default_pool', 128, 'Default pool')
ON CONFLICT (pool) DO NOTHING;

-- Airflow renamed this table once; its sequence and keys kept the old name.
CREATE SEQUENCE IF NOT EXISTS user_id_seq AS integer;
CREATE TABLE IF NOT EXISTS users (
    id         integer      DEFAULT nextval('user_id_seq') CONSTRAINT user_pkey PRIMARY KEY,
    username   varchar(250) CONSTRAINT user_username_key UNIQUE,
    email      varchar(500),
    password   varchar(255),
    superuser  boolean
);
ALTER SEQUENCE user_id_seq OWNED BY users.id;

INSERT INTO windsock_schema (version) VALUES (1) ON CONFLICT DO NOTHING;

-- version: 2
-- What the scheduler is woken by, and finds its work by. No column more than Airflow has.

-- The ids of new runs to whoever listens; an empty text says that too many are new to name them.
CREATE OR REPLACE FUNCTION windsock_new_runs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids text;
BEGIN
    SELECT string_agg(id::text, ',') INTO ids FROM new_runs WHERE state = 'running';
    IF ids IS NOT NULL THEN
        PERFORM pg_notify('windsock_runs', CASE WHEN length(ids) < 7900 THEN ids ELSE '' END);
    END IF;
    RETURN NULL;
END
$$;
DROP TRIGGER IF EXISTS windsock_new_runs ON dag_run;
CREATE TRIGGER windsock_new_runs AFTER INSERT ON dag_run
    REFERENCING NEW TABLE AS new_runs FOR EACH STATEMENT EXECUTE FUNCTION windsock_new_runs();

-- A DAG that is not paused any more, and a pool that has changed, may let tasks go on that waited.
CREATE OR REPLACE FUNCTION windsock_look_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('windsock_runs', '');
    RETURN NULL;
END
$$;
DROP TRIGGER IF EXISTS windsock_unpaused ON dag;
CREATE TRIGGER windsock_unpaused AFTER UPDATE OF is_paused ON dag
    FOR EACH ROW WHEN (old.is_paused AND NOT new.is_paused) EXECUTE FUNCTION windsock_look_again();
DROP TRIGGER IF EXISTS windsock_pool_changed ON slot_pool;
CREATE TRIGGER windsock_pool_changed AFTER INSERT OR UPDATE ON slot_pool
    FOR EACH STATEMENT EXECUTE FUNCTION windsock_look_again();

-- The queue of tasks, in the order in which they are claimed; and what holds slots.
CREATE INDEX IF NOT EXISTS windsock_ti_scheduled
    ON task_instance ((-priority_weight::bigint), execution_date, dag_id, task_id) WHERE state = 'scheduled';
CREATE INDEX IF NOT EXISTS windsock_ti_active ON task_instance (job_id) WHERE state IN ('queued', 'running');

INSERT INTO windsock_schema (version) VALUES (2) ON CONFLICT DO NOTHING;

-- version: 3
-- Transactions that notify commit one at a time, each after the other's fsync. Sessions of the webserver, which say that they
-- announce their runs themselves once they have committed, are spared that.

DROP TRIGGER IF EXISTS windsock_new_runs ON dag_run;
CREATE TRIGGER windsock_new_runs AFTER INSERT ON dag_run
    REFERENCING NEW TABLE AS new_runs FOR EACH STATEMENT
    WHEN (current_setting('windsock.announces', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION windsock_new_runs();

INSERT INTO windsock_schema (version) VALUES (3) ON CONFLICT DO NOTHING;

-- version: 4
-- The roles of users, for `[windsock] authorization = file`. Airflow 1.10 has them in tables of its RBAC interface only.

CREATE TABLE IF NOT EXISTS windsock_user_role (
    user_id  integer     NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role     varchar(64) NOT NULL,
    PRIMARY KEY (user_id, role)
);

INSERT INTO windsock_schema (version) VALUES (4) ON CONFLICT DO NOTHING;

-- version: 5
-- Bearer tokens, of which only digests are stored. `dags` has dag_ids and patterns; NULL means all DAGs.

CREATE TABLE IF NOT EXISTS windsock_token (
    name       varchar(100) PRIMARY KEY,
    digest     bytea        NOT NULL UNIQUE CHECK (length(digest) = 32),
    role       varchar(64)  NOT NULL,
    dags       text[]       CHECK (array_position(dags, NULL) IS NULL),
    created    timestamptz  NOT NULL DEFAULT now(),
    expires    timestamptz,
    last_used  date
);

INSERT INTO windsock_schema (version) VALUES (5) ON CONFLICT DO NOTHING;

-- version: 6
-- Tries that were taken away from their scheduler while they ran: somebody has marked, cleared or deleted their task, or their
-- run took too long. The task does not run again before the processes of such a try have ended, which its scheduler sees to.

CREATE TABLE IF NOT EXISTS windsock_ending (
    id              bigserial    PRIMARY KEY,
    job_id          integer      NOT NULL,
    run             integer,
    dag_id          varchar(250) NOT NULL,
    execution_date  timestamptz  NOT NULL,
    task_id         varchar(250) NOT NULL,
    try_number      integer,
    start_date      timestamptz,
    hostname        varchar(1000),
    pid             integer
);
CREATE INDEX IF NOT EXISTS windsock_ending_task ON windsock_ending (dag_id, execution_date, task_id);

CREATE OR REPLACE FUNCTION windsock_taken_away() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_run integer := (SELECT r.id FROM dag_run AS r WHERE r.dag_id = OLD.dag_id AND r.execution_date = OLD.execution_date);
BEGIN
    INSERT INTO windsock_ending (job_id, run, dag_id, execution_date, task_id, try_number, start_date, hostname, pid)
    VALUES (OLD.job_id, of_run, OLD.dag_id, OLD.execution_date, OLD.task_id, OLD.try_number, OLD.start_date, OLD.hostname, OLD.pid);
    PERFORM pg_notify('windsock_steered', coalesce(of_run::text, ''));
    RETURN NULL;
END
$$;
-- A scheduler that writes how a try ended says so: the processes of that try have ended before.
DROP TRIGGER IF EXISTS windsock_taken_away ON task_instance;
CREATE TRIGGER windsock_taken_away AFTER UPDATE OF state, try_number, job_id ON task_instance FOR EACH ROW
    WHEN (
        old.state = 'running' AND old.job_id IS NOT NULL
        AND (new.state, new.try_number, new.job_id) IS DISTINCT FROM (old.state, old.try_number, old.job_id)
        AND current_setting('windsock.reports', true) IS DISTINCT FROM 'on'
    )
    EXECUTE FUNCTION windsock_taken_away();
DROP TRIGGER IF EXISTS windsock_deleted ON task_instance;
CREATE TRIGGER windsock_deleted AFTER DELETE ON task_instance FOR EACH ROW
    WHEN (old.state = 'running' AND old.job_id IS NOT NULL)
    EXECUTE FUNCTION windsock_taken_away();

INSERT INTO windsock_schema (version) VALUES (6) ON CONFLICT DO NOTHING;

-- version: 7
-- Schedules. In `dag` is the next run of each, in Airflow 2's columns, and the version of the DAG for which it was found;
-- in `dag_run` the data interval of the runs that a schedule has made. No other run has one there.

ALTER TABLE dag
    ADD COLUMN IF NOT EXISTS next_dagrun timestamptz,
    ADD COLUMN IF NOT EXISTS next_dagrun_data_interval_start timestamptz,
    ADD COLUMN IF NOT EXISTS next_dagrun_data_interval_end timestamptz,
    ADD COLUMN IF NOT EXISTS next_dagrun_create_after timestamptz,
    ADD COLUMN IF NOT EXISTS timetable_description varchar(1000),
    ADD COLUMN IF NOT EXISTS windsock_scheduled_hash varchar(32);
ALTER TABLE dag_run
    ADD COLUMN IF NOT EXISTS data_interval_start timestamptz,
    ADD COLUMN IF NOT EXISTS data_interval_end timestamptz;
CREATE INDEX IF NOT EXISTS windsock_dag_run_scheduled ON dag_run (dag_id, execution_date) WHERE data_interval_end IS NOT NULL;

-- A DAG that is new or has changed may have another next run.
DROP TRIGGER IF EXISTS windsock_dag_changed ON serialized_dag;
CREATE TRIGGER windsock_dag_changed AFTER INSERT OR UPDATE ON serialized_dag
    FOR EACH STATEMENT EXECUTE FUNCTION windsock_look_again();

-- If the last run of a schedule is deleted, it is the next run again, as in Airflow. Once for all runs that one statement
-- deletes: a DAG with many runs could not be deleted otherwise.
CREATE OR REPLACE FUNCTION windsock_unscheduled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE dag SET windsock_scheduled_hash = NULL
    FROM (
        SELECT dag_id, max(execution_date) AS last FROM old_runs WHERE data_interval_end IS NOT NULL GROUP BY dag_id
    ) AS gone
    WHERE dag.dag_id = gone.dag_id AND NOT EXISTS (
        SELECT FROM dag_run AS r
        WHERE r.dag_id = gone.dag_id AND r.data_interval_end IS NOT NULL AND r.execution_date > gone.last
    );
    IF EXISTS (SELECT FROM old_runs WHERE data_interval_end IS NOT NULL) THEN
        PERFORM pg_notify('windsock_runs', '');
    END IF;
    RETURN NULL;
END
$$;
DROP TRIGGER IF EXISTS windsock_unscheduled ON dag_run;
CREATE TRIGGER windsock_unscheduled AFTER DELETE ON dag_run
    REFERENCING OLD TABLE AS old_runs FOR EACH STATEMENT EXECUTE FUNCTION windsock_unscheduled();

INSERT INTO windsock_schema (version) VALUES (7) ON CONFLICT DO NOTHING;

-- version: 8
-- SLAs that are not judged yet: when the task of a run that a schedule has made should have succeeded. What is missed goes into
-- `sla_miss`.

CREATE TABLE IF NOT EXISTS windsock_sla (
    dag_id          varchar(250) NOT NULL,
    execution_date  timestamptz  NOT NULL,
    task_id         varchar(250) NOT NULL,
    due             timestamptz  NOT NULL,
    PRIMARY KEY (task_id, dag_id, execution_date),
    FOREIGN KEY (task_id, dag_id, execution_date)
        REFERENCES task_instance (task_id, dag_id, execution_date) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS windsock_sla_due ON windsock_sla (due);

INSERT INTO windsock_schema (version) VALUES (8) ON CONFLICT DO NOTHING;

-- version: 9
-- What the server tells others when a run ends: which ends it has told, and an index that finds those that it has not.

CREATE TABLE IF NOT EXISTS windsock_state (
    name     varchar(64) PRIMARY KEY,
    content  text        NOT NULL
);
CREATE INDEX IF NOT EXISTS windsock_dag_run_ended ON dag_run (end_date, id) WHERE state IN ('success', 'failed');

INSERT INTO windsock_schema (version) VALUES (9) ON CONFLICT DO NOTHING;
