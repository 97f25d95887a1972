# The fleet as an image: docker build -t fleet . && docker run --rm fleet --help

FROM python:3.12.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/fleet
COPY . .
# The variable holds for what pip builds in isolation too.
RUN PIP_CONSTRAINT=constraints.txt /opt/fleet/bin/pip install --constraint constraints.txt .

FROM python:3.12.12-slim-bookworm
RUN useradd --system --uid 10001 --create-home fleet
COPY --from=build /opt/fleet /opt/fleet
ENV PATH=/opt/fleet/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/fleet
# A run ends cleanly on an interrupt, as at a terminal.
STOPSIGNAL SIGINT
ENTRYPOINT ["fleet"]
CMD ["--help"]
