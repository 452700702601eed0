-- What statements share. `{name(argument)}` in a statement, or in another fragment, stands for the text of the fragment
-- `name`, with the argument in place of its parameter.

-- fragment: utc(date, format)
to_char({date} AT TIME ZONE 'UTC', {format})

-- fragment: date_and_time(date, separator)
-- As Python's isoformat(separator) writes it, without the offset: with microseconds only if there are any.
replace({utc({date}, 'YYYY-MM-DD{separator}HH24:MI:SS.US')}, '.000000', '')

-- fragment: iso_date(date)
{date_and_time({date}, "T")} || '+00:00'

-- fragment: plain_date(date)
-- As Python's str shows it.
{date_and_time({date}, " ")} || '+00:00'

-- fragment: second(date)
{utc({date}, 'YYYY-MM-DD HH24:MI:SS')} || ' UTC'

-- fragment: in_utf8(text)
convert_to({text}, 'UTF8')

-- fragment: percent_encoded(text)
-- Byte by byte. Almost every id has only characters that need no encoding, or a date.
CASE WHEN {text} ~ '^[A-Za-z0-9_.~:+-]*$' THEN replace(replace({text}, ':', '%3A'), '+', '%2B') ELSE (
    SELECT string_agg(CASE WHEN c ~ '[A-Za-z0-9_.~-]' THEN c
        ELSE upper(regexp_replace(encode({in_utf8(c)}, 'hex'), '(..)', '%\1', 'g')) END, '' ORDER BY i)
    FROM regexp_split_to_table({text}, '') WITH ORDINALITY AS characters (c, i)
) END

-- fragment: fits_python(date)
-- Postgres knows dates that Python does not.
{date} BETWEEN '0001-01-02+00' AND '9999-12-30+00'

-- fragment: python_date(date)
CASE WHEN {fits_python({date})} THEN {date} END

-- fragment: type_by_run_id(run)
-- The type of a run, as Airflow 2 reads it from a run_id.
coalesce(substring({run}.run_id FROM '^(scheduled|backfill)__'), 'manual')

-- fragment: same_run(instance, run)
-- Whether a task instance is of that run, in Airflow 1.10; later generations have it otherwise.
{instance}.dag_id = {run}.dag_id AND {instance}.execution_date = {run}.execution_date

-- fragment: way_to_the_end(state)
-- The smaller, the further a task instance in that state is from its end.
array_position(ARRAY['running', 'restarting', 'deferred', 'awaiting_input', 'queued', 'up_for_retry', 'up_for_reschedule', 'scheduled', '', 'failed', 'upstream_failed', 'success', 'skipped', 'removed'], coalesce({state}, '')::text)

-- fragment: ab_user(name, or_email)
-- Airflow 2 ignores the case of a name. If several names differ only in case, `same` is more than 1: none of them is meant.
SELECT found.*, count(*) OVER (PARTITION BY found.by_name) AS same
FROM (
    SELECT id, username, password, active, lower(username) = lower({name}) AS by_name
    FROM ab_user
    WHERE lower(username) = lower({name}) OR ({or_email} AND email = {name})
) AS found
ORDER BY found.by_name DESC NULLS LAST
LIMIT 1
