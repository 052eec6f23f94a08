"""A real application that is not ours: Django's admin site, as it comes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cobrowse.processes import Processes
from tests.browser.mirror import difference, wait_for_equal_trees
from tests.browser.visiting import OPEN_UI, start_session
from tests.stack import Stack, free_port, running_stack

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


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("django")
    (folder / "settings.py").write_text(SETTINGS.format(folder=folder))
    (folder / "urls.py").write_text(URLS)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": str(folder),
        "DJANGO_SUPERUSER_PASSWORD": "obviously-fake",
    }
    user = ["--noinput", "--username", "admin", "--email", "admin@shop.test"]
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
        with running_stack(folder, f"http://127.0.0.1:{port}") as stack:
            yield stack
    finally:
        processes.stop()


def test_the_admin_site_is_mirrored_and_works(django: Stack, visitor: Page, agent: Page) -> None:
    agent.set_viewport_size({"width": 1100, "height": 860})
    visitor.add_init_script(OPEN_UI)
    visitor.goto(f"{django.visitor_url}/admin/")
    key = start_session(visitor, '"admin-help"')
    agent.goto(django.agent_view(key))
    wait_for_equal_trees(visitor, agent)
    visitor.evaluate("document.activeElement.blur()")
    assert difference(visitor, agent) < 0.01

    visitor.fill("#id_username", "admin")
    visitor.fill("#id_password", "obviously-fake")
    visitor.click("input[type=submit]")
    expect(visitor.locator("#content h1")).to_have_text("Site administration")
    wait_for_equal_trees(visitor, agent)
    assert difference(visitor, agent) < 0.01

    visitor.click("text=Users")
    expect(visitor.locator("#result_list")).to_be_visible()
    wait_for_equal_trees(visitor, agent)
    assert difference(visitor, agent) < 0.01

    visitor.click("#result_list .field-username a")
    visitor.fill("#id_first_name", "Niels")
    wait_for_equal_trees(visitor, agent)
    # The bar stands on the site's own button here: it gives way.
    visitor.locator("cobrowse-visitor .toggle").click()
    visitor.click("input[name=_save]")
    expect(visitor.locator(".messagelist")).to_contain_text("was changed successfully")
    wait_for_equal_trees(visitor, agent)
    assert "obviously-fake" not in agent.evaluate(
        "document.querySelector('#screen iframe').contentDocument.documentElement.outerHTML"
    )
