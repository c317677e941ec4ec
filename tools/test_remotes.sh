#!/usr/bin/env bash
# Shares and receives an experiment through a stand-in for S3 (moto's server). It and dvc-s3 pick different versions of botocore: each gets an environment
# of its own in .cache/remotes/, which takes some minutes the first time. `make test-remotes` calls this.
set -euo pipefail
cd "$(dirname "$0")/.."
envs=.cache/remotes
if [ ! -e "$envs/moto/.ready" ]; then
  python3 -m venv "$envs/moto"
  "$envs/moto/bin/pip" install --quiet --disable-pip-version-check 'moto[server]==5.2.5'
  touch "$envs/moto/.ready"
fi
if [ ! -e "$envs/dvc/.ready" ]; then
  python3 -m venv "$envs/dvc"
  "$envs/dvc/bin/pip" install --quiet --disable-pip-version-check "$(grep '^dvc-s3==' requirements-remotes.txt)" "$(grep '^pytest==' requirements-dev.txt)" \
    "$(grep '^pytest-timeout==' requirements-dev.txt)" "$(grep '^dvc==' requirements.txt)" -c constraints.txt
  touch "$envs/dvc/.ready"
fi
MOTO_SERVER="$PWD/$envs/moto/bin/moto_server" "$envs/dvc/bin/python" -m pytest -q --noconftest -m long tests/sentiment/use/test_share_over_s3.py
