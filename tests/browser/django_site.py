"""Django's admin site, as it comes, with one user."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cobrowse.processes import Processes
from tests.stack import free_port

USER, PASSWORD = "admin", "obviously-fake"
SETTINGS = """
SECRET_KEY = "obviously-fake"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
USE_TZ = True
STATIC_URL = "/static/"
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/db"}}}}
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [{{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {{"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]}},
}}]
"""
URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""


@contextlib.contextmanager
def serving_django(folder: Path) -> Iterator[str]:
    """Its address."""
    (folder / "settings.py").write_text(SETTINGS.format(folder=folder))
    (folder / "urls.py").write_text(URLS)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": str(folder),
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    user = ["--noinput", "--username", USER, "--email", "admin@shop.test"]
    for command in (["migrate", "-v0"], ["createsuperuser", *user]):
        subprocess.run(
            [sys.executable, "-m", "django", *command],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    port = free_port()
    processes = Processes()
    code = (
        f"import os, sys; os.environ.update(DJANGO_SETTINGS_MODULE='settings');"
        f"sys.path.insert(0, {str(folder)!r});"
        "from django.core.management import execute_from_command_line as run;"
        f"run(['django', 'runserver', '--noreload', '-v0', '127.0.0.1:{port}'])"
    )
    processes.start("django", ["-W", "ignore", "-c", code])
    try:
        processes.wait_ready("127.0.0.1", port, "django")
        yield f"http://127.0.0.1:{port}"
    finally:
        processes.stop()
