"""Runs inside of a real Airflow's environment: what may its roles do? JSON on standard input and output."""

import contextlib
import json
import sys

import airflow

GENERATION = int(airflow.__version__.split(".")[0])
DENIED = (401, 403)


def share(appbuilder):
    """Let this Airflow's commands use what is there: each would take seconds to make its own."""
    from airflow.providers.fab.auth_manager.cli_commands import role_command, user_command

    for module in (role_command, user_command):
        module.get_application_builder = lambda: contextlib.nullcontext(appbuilder)


def command(*words):
    """Run a command of this Airflow."""
    if GENERATION == 1:
        from airflow.bin.cli import CLIFactory

        parser = CLIFactory.get_parser()
    else:
        from airflow.cli.cli_parser import get_parser

        parser = get_parser()
    arguments = parser.parse_args(words)
    arguments.func(arguments)


def create_user(role):
    """Make a user of that name with that role."""
    words = ["create_user"] if GENERATION == 1 else ["users", "create"]
    command(*words, "-u", role, "-f", "f", "-l", "l", "-e", role + "@example.org", "-r", role, "-p", "a password")


def create_roles(manager, roles, dag_ids):
    """Make roles; 1.10 has no command for that. What parses a DAG makes the resources that belong to it."""
    share(manager.appbuilder)
    for dag_id in dag_ids:
        manager.sync_perm_for_dag(dag_id)
    command("roles", "create", *roles)
    for action, resource in sorted({tuple(pair) for pairs in roles.values() for pair in pairs}):
        those = [role for role, pairs in roles.items() if [action, resource] in pairs]
        command("roles", "add-perms", *those, "-a", action, "-r", resource)


def add_dags(dag_ids):
    """Make DAGs, each with a file of its own."""
    from airflow.models import DagModel

    if GENERATION == 1:
        from airflow.utils.db import create_session
    else:
        from airflow.utils.session import create_session

    more = {} if GENERATION < 3 else {"bundle_name": "b", "is_stale": False}
    with create_session() as session:
        if GENERATION == 3:
            from airflow.models.dagbundle import DagBundleModel

            session.merge(DagBundleModel(name="b"))
            session.flush()
        for dag_id in dag_ids:
            path = "/dags/" + dag_id + ".py"
            session.merge(DagModel(dag_id=dag_id, fileloc=path, **more))
            if GENERATION == 2:
                from airflow.models.dagcode import DagCode

                session.merge(DagCode(path, "#"))


def permissions_of(roles):
    """List the permissions of roles, as the tables have them."""
    return {role.name: [[pair[0], pair[1]] for pair in _pairs(role)] for role in roles}


def _pairs(role):
    for each in role.permissions:
        if GENERATION == 1:
            yield each.permission.name, each.view_menu.name
        else:
            yield each.action.name, each.resource.name


def ask_1(question):
    """Ask the pages of 1.10: they send away whoever may not see them."""
    from airflow.www_rbac.app import create_app

    app, appbuilder = create_app(testing=True)
    app.config.update(WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=False)
    manager = appbuilder.sm
    with app.app_context():
        manager.sync_roles()
        for name, pairs in question["roles"].items():
            role = manager.add_role(name)
            for action, view in pairs:
                manager.add_permission_role(role, manager.add_permission_view_menu(action, view))
        roles = [*question["built_in"], *question["roles"]]
        for role in roles:
            create_user(role)
        found = permissions_of(manager.get_all_roles())

    def allowed(client, method, path, body):
        answer = client.open(path, method=method, data=body)
        # An action on selected rows that is refused leads back to their list.
        back = answer.headers.get("Location", "")
        return not (answer.status_code == 302 and ("/login/" in back or back.endswith("/dagrun/")))

    def log_in(role):
        client = app.test_client()
        answer = client.post("/login/", data={"username": role, "password": "a password"})
        assert answer.status_code == 302, answer.data
        return client

    return found, verdicts(question, roles, log_in, allowed)


def ask_2(question):
    """Ask the REST API of 2.x, with sessions: passwords take long to verify."""
    from airflow.www.app import create_app
    from itsdangerous import URLSafeSerializer

    app = create_app(testing=True)
    app.config.update(WTF_CSRF_ENABLED=False, PROPAGATE_EXCEPTIONS=False)
    manager = app.appbuilder.sm
    with app.app_context():
        create_roles(manager, question["roles"], question["dags"])
        roles = [*question["built_in"], *question["roles"]]
        for role in roles:
            create_user(role)
        found = permissions_of(manager.get_all_roles())
    files = {dag_id: URLSafeSerializer(app.config["SECRET_KEY"]).dumps("/dags/" + dag_id + ".py") for dag_id in question["dags"]}

    def allowed(client, method, path, body):
        for dag_id, token in files.items():
            path = path.replace("{" + dag_id + "}", token)
        answer = client.open("/api/v1" + path, method=method, json=body, headers={"Accept": "application/json"})
        assert answer.status_code != 401, answer.data
        return answer.status_code not in DENIED

    def log_in(role):
        client = app.test_client()
        # Five logins a minute are admitted from an address.
        address = "127.0.0." + str(2 + roles.index(role))
        account = {"username": role, "password": "a password"}
        answer = client.post("/login/", data=account, environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == 302, answer.data
        return client

    return found, verdicts(question, roles, log_in, allowed)


def ask_3(question):
    """Ask the REST API of 3.x."""
    from airflow.api_fastapi.app import create_app, get_auth_manager
    from fastapi.testclient import TestClient

    app = create_app(apps="core")
    from airflow.providers.fab.www.app import create_app as create_flask_app

    roles = [*question["built_in"], *question["roles"]]
    with create_flask_app(enable_plugins=False).app_context():
        manager = get_auth_manager().security_manager
        create_roles(manager, question["roles"], question["dags"])
        for role in roles:
            create_user(role)
        found = permissions_of(manager.get_all_roles())
        tokens = {role: get_auth_manager().generate_jwt(manager.find_user(username=role)) for role in roles}

    def allowed(headers, method, path, body):
        answer = client.request(method, "/api/v2" + path, json=body, headers=headers)
        assert answer.status_code != 401, answer.text
        return answer.status_code not in DENIED

    def log_in(role):
        return {"Authorization": "Bearer " + tokens[role], "Accept": "application/json"}

    with TestClient(app, raise_server_exceptions=False) as client:
        return found, verdicts(question, roles, log_in, allowed)


def verdicts(question, roles, log_in, allowed):
    """List for each role the requests of which it may make every part; what changes something comes last."""
    answer = {}
    for role in roles:
        client = log_in(role)
        # The one before may have deleted them.
        add_dags(question["dags"])
        known = {}
        answer[role] = []
        for name, calls in question["requests"].items():
            for method, path, body in calls:
                if (method, path) not in known:
                    known[method, path] = allowed(client, method, path, body)
            if all(known[method, path] for method, path, _ in calls):
                answer[role].append(name)
    return answer


if __name__ == "__main__":
    given = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        permissions, allowed_to = globals()["ask_%d" % GENERATION](given)
    sys.stdout.write("\n" + json.dumps({"permissions": permissions, "allowed": allowed_to}))
