-- PostgreSQL runs this once, on an empty volume. The model registry's database is made by POSTGRES_DB.
CREATE DATABASE schemas;
CREATE DATABASE prefect;
