#!/usr/bin/env bash
# kill -9 at random moments, then resume: the weights must have the same bits as those of a run that nobody disturbed.
#   tests/kill_test.sh [TIMES=20]       needs build/bin/char_gpt (make)
set -u
times=${1:-20}
cd "$(dirname "$0")/.." || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
flags=(--layers 2 --heads 2 --dim 32 --context 16 --batch 4 --dropout 0.1 --steps 400 --warmup 10 --eval-every 5
       --eval-batches 2 --tokens 10 --seed 3)
weights() { grep -oE '^weights +[0-9a-f]{16}' "$1" | tail -n 1; }

start=$(date +%s%N)
build/bin/char_gpt "${flags[@]}" --out "$work/whole" >"$work/whole.txt" 2>&1 || { cat "$work/whole.txt"; exit 1; }
length_ms=$((($(date +%s%N) - start) / 1000000))
wanted=$(weights "$work/whole.txt")
[ -n "$wanted" ] || { echo "the undisturbed run printed no checksum"; exit 1; }

kills=0 run=0
while [ "$kills" -lt "$times" ]; do
  run=$((run + 1)) out=$work/run$run
  while :; do  # one run, killed again and again until it gets through
    resume=()
    [ -e "$out/checkpoint.safetensors" ] && resume=(--resume)
    build/bin/char_gpt "${flags[@]}" --out "$out" "${resume[@]}" >"$work/part.txt" 2>&1 &
    pid=$!
    if [ "$kills" -lt "$times" ]; then
      sleep "$(awk -v most="$length_ms" -v seed="$RANDOM" 'BEGIN { srand(seed); printf "%.3f", rand() * most / 1500 }')"
      if kill -9 "$pid" 2>/dev/null; then kills=$((kills + 1)); fi
    fi
    wait "$pid" 2>/dev/null
    status=$?
    [ "$status" -eq 0 ] && break
    [ "$status" -eq 137 ] || { echo "the resumed run failed ($status):"; cat "$work/part.txt"; exit 1; }
  done
  if [ "$(weights "$work/part.txt")" != "$wanted" ]; then
    echo "run $run: $(weights "$work/part.txt"), undisturbed: $wanted"; exit 1
  fi
  if ! cmp -s <(cut -d, -f1-5 "$out/log.csv") <(cut -d, -f1-5 "$work/whole/log.csv"); then
    echo "run $run: its log differs from the undisturbed run's"; diff "$out/log.csv" "$work/whole/log.csv" | head; exit 1
  fi
done
echo "resumed after $kills kills in $run runs: $wanted each time, and the same log"
