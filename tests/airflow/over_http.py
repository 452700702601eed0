"""Runs in the environment of Airflow 1.10: tests of its own, whose Flask client calls a server over HTTP instead.

`over_http.py URL FOLDER FILE...`: FOLDER is where Airflow's package `tests` is, the files are below it.
"""

import sys
import unittest

import requests
from airflow.models import DagBag, DagModel
from airflow.models.serialized_dag import SerializedDagModel


class Answer:
    """What Flask's test client answers, made of an answer over HTTP."""

    def __init__(self, answer):
        self.status_code = answer.status_code
        self.data = answer.content
        self.headers = answer.headers
        self.json = answer.json() if "json" in answer.headers.get("Content-Type", "") else None


class Client:
    """Flask's test client, as far as these tests use it."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def open(self, path, method="GET", data=None, content_type=None, headers=None, **_):
        sent = dict(headers or {})
        if content_type:
            sent["Content-Type"] = content_type
        return Answer(requests.request(method, URL + path, data=data, headers=sent))

    def get(self, path, **options):
        return self.open(path, "GET", **options)

    def post(self, path, **options):
        return self.open(path, "POST", **options)

    def delete(self, path, **options):
        return self.open(path, "DELETE", **options)


class App:
    """The application that the tests believe to make."""

    def __init__(self):
        self.config = {}

    def test_client(self):
        return Client()


def point_elsewhere():
    """Make both of Airflow's web applications, the old one and the RBAC one, hand out the client above."""
    from airflow.www import app as www
    from airflow.www_rbac import app as www_rbac

    www.create_app = lambda *_, **__: App()
    www_rbac.create_app = lambda *_, **__: (App(), None)


def add_examples():
    """Write the example DAGs into the database, as the scheduler would."""
    for dag in DagBag(include_examples=True).dags.values():
        dag.sync_to_db()
        SerializedDagModel.write_dag(dag)
        DagModel.get_dagmodel(dag.dag_id).set_is_paused(False)


if __name__ == "__main__":
    URL, folder, *files = sys.argv[1:]
    sys.path.insert(0, folder)
    point_elsewhere()
    add_examples()
    names = [file[: -len(".py")].replace("/", ".") for file in files]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(names))
    sys.exit(not result.wasSuccessful())
