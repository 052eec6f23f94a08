# Proxy and relay in one image: "cobrowse relay", "cobrowse proxy". compose.yaml puts them together.

# Node, which builds the browser scripts, comes from a package and stays here.
FROM python:3.13-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim-bookworm
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin cobrowse \
    && install --directory --owner cobrowse --mode 0700 \
        /var/lib/cobrowse /etc/cobrowse /made/database /made/tls
USER 10001
VOLUME /var/lib/cobrowse
ENTRYPOINT ["cobrowse"]
CMD ["--help"]
