# The page, a client of the model server; no TensorFlow in it:
#
#   docker build -f deploy/Dockerfile.app -t rhymes-page .
#
# It finds the server by SERVING_ADDRESS, and what its views show (reports, data, parameters) where
# the repository has it, below /rhymes; docker-compose.yaml mounts that.
FROM python:3.11.16-slim-bookworm

COPY deploy/requirements-app.txt /opt/rhymes/requirements-app.txt
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: \
    -r /opt/rhymes/requirements-app.txt

WORKDIR /rhymes
COPY rhymes rhymes
COPY app app
# Whoever built this may have checked out files that only they can read.
RUN chmod -R a+rX /rhymes

# /tmp is the only place that need be writable. Threads share two arenas, so that the memory of
# large images goes back to the system (rhymes/project/processes.py).
ENV HOME=/tmp \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/rhymes \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8502
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8502/_stcore/health', timeout=4)"]
# Without browser.serverAddress Streamlit would ask a host on the internet for its own address.
ENTRYPOINT ["streamlit", "run", "app/main.py", \
    "--server.address=0.0.0.0", \
    "--server.port=8502", \
    "--server.headless=true", \
    "--browser.serverAddress=localhost", \
    "--server.fileWatcherType=none", \
    "--browser.gatherUsageStats=false"]
CMD []
