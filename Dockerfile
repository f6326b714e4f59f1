# Not yet built on any machine; please report.
#
#   docker build -t haploscribe .
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/work" haploscribe demo
#
# For a GPU: docker build --build-arg TORCH_INDEX=https://pypi.org/simple, and docker run --gpus all.
ARG PYTHON=3.13
FROM python:${PYTHON}-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
# torch apart: no other package is taken from its index.
RUN pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" -c constraints.txt torch \
 && pip install --no-cache-dir -c constraints.txt ".[annotations,notebook,simulate]" \
 && useradd --create-home haploscribe

# Any user (docker run -u) can write these.
ENV MPLCONFIGDIR=/tmp/matplotlib NUMBA_CACHE_DIR=/tmp/numba
USER haploscribe
WORKDIR /work
ENTRYPOINT ["haploscribe"]
CMD ["--help"]
