# footnoted serve, as the README installs it: the pinned packages, the CPU build of PyTorch.
#
#   docker build -t footnoted .
#   docker run --rm -p 127.0.0.1:7860:7860 -v footnoted:/papers footnoted --add-user ada
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md ./
COPY rag ./rag
COPY ui ./ui
COPY eval ./eval
COPY prompts ./prompts
# The CPU wheel first: the pin in pyproject.toml is then met, and no CUDA build is fetched.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
      --index-url "$TORCH_INDEX" torch==2.13.0 \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 footnoted && install -d -o footnoted /papers
COPY --from=build /venv /venv
USER footnoted
ENV PATH=/venv/bin:$PATH FOOTNOTED_HOME=/papers HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
VOLUME /papers
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
# 0.0.0.0 is inside the container; who may come in is in /papers/access, without which it refuses.
ENTRYPOINT ["footnoted", "serve", "--host", "0.0.0.0"]
