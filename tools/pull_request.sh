#!/usr/bin/env bash
# Runs the changed pipeline and compares it with the branch it is to go into. .github/workflows/experiment.yml calls it; it runs anywhere:
#   tools/pull_request.sh origin/main
# The first argument is the commit to compare with (HEAD^1: the target branch, in the merge commit that GitHub checks out), the second the folder for the
# results (pull_request/). The summary is also appended to $GITHUB_STEP_SUMMARY where that is set.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(git rev-parse --verify --quiet "${1:-HEAD^1}^{commit}") || { echo "error: ${1:-HEAD^1}: no such commit: fetch the target branch, and name it" >&2; exit 1; }
out=${2:-pull_request}
[ ! -d .venv ] || export PATH="$PWD/.venv/bin:$PATH"
mkdir -p "$out"
: > "$out/notes.txt"

note() { echo "$1"; echo "$1" >> "$out/notes.txt"; }

if [ -z "$(dvc remote list)" ]; then
  note "No storage is configured: what the data and models of this branch are made from is in git alone, or is made here."
elif ! dvc pull --quiet --allow-missing 2> "$out/pull.log"; then
  cat "$out/pull.log" >&2
  note "The storage could not be read ($(grep -m1 '^ERROR' "$out/pull.log" || echo 'see pull.log')): what it has is made again."
fi

status=0
dvc repro 2>&1 | tee "$out/repro.log" || status=$?
if [ "$status" -eq 0 ]; then
  dvc metrics diff "$target" --json > "$out/metrics.json"
  dvc params diff "$target" --json > "$out/params.json"
  dvc plots diff "$target" workspace --out "$out/plots" > /dev/null || note "The page of plots could not be made."
  cp dvc.lock reports/eval/report.html "$out/"
fi
python -m tools.pull_request_summary "$target" "$out" || status=$?
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || cat "$out/summary.md" >> "$GITHUB_STEP_SUMMARY"
exit "$status"
