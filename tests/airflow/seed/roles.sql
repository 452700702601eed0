-- The tables of Flask-AppBuilder as every release has them, so far as Windsock reads them, and the columns that need values.
CREATE TABLE ab_user (id serial PRIMARY KEY, first_name text NOT NULL DEFAULT '', last_name text NOT NULL DEFAULT '',
    username varchar(256) NOT NULL UNIQUE, password varchar(256), active boolean, email varchar(256) NOT NULL UNIQUE,
    last_login timestamp);
CREATE TABLE ab_role (id serial PRIMARY KEY, name varchar(64) NOT NULL UNIQUE);
CREATE TABLE ab_user_role (id serial PRIMARY KEY, user_id int REFERENCES ab_user, role_id int REFERENCES ab_role,
    UNIQUE (user_id, role_id));
CREATE TABLE ab_permission (id serial PRIMARY KEY, name varchar(100) NOT NULL UNIQUE);
CREATE TABLE ab_view_menu (id serial PRIMARY KEY, name varchar(250) NOT NULL UNIQUE);
CREATE TABLE ab_permission_view (id serial PRIMARY KEY, permission_id int REFERENCES ab_permission,
    view_menu_id int REFERENCES ab_view_menu, UNIQUE (permission_id, view_menu_id));
CREATE TABLE ab_permission_view_role (id serial PRIMARY KEY, permission_view_id int REFERENCES ab_permission_view,
    role_id int REFERENCES ab_role, UNIQUE (permission_view_id, role_id));
