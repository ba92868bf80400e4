# The command `ocrnet` as an image, for prediction: docker build --file deploy/predict.Dockerfile --tag ocrnet .
FROM python:3.12-slim-bookworm

WORKDIR /opt/ocrnet
COPY requirements.lock ./
# The build fails unless each file is the one that the lock names.
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps --requirement requirements.lock

COPY pyproject.toml ./
COPY ocrnet ./ocrnet
COPY pipelines ./pipelines
ENV PYTHONPATH=/opt/ocrnet PYTHONUNBUFFERED=1 DVC_NO_ANALYTICS=1 DO_NOT_TRACK=true

RUN useradd --create-home ocrnet
USER ocrnet
# Paths of the command are those of the folder that is mounted here.
WORKDIR /work
ENTRYPOINT ["python", "-m", "pipelines.cli"]
CMD ["--help"]
