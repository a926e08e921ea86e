#!/usr/bin/env bash
# What `make bench` does: runs the benchmarks that are built and writes their figures into the README, between the
# markers there. FOLDER holds the programs.
#
#   tests/bench/run.sh FOLDER [README] [SECONDS]
set -euo pipefail
bin=${1:?folder of the benchmarks} readme=${2:-README.md} seconds=${3:-8}  # seconds: for each training step
cores=$("$bin/bench_step" --config T --seconds 0 --json | sed 's/.*"threads": \([0-9]*\).*/\1/')
thread_counts=1; [ "$cores" -gt 1 ] && thread_counts="1 $cores"
table=$(mktemp); trap 'rm -f "$table"' EXIT

number() { awk "BEGIN { x = $(value "$1"); printf x < 10 ? \"%.2f\" : x < 100 ? \"%.1f\" : \"%.0f\", x }"; }
value() { sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p" <<<"$line"; }  # a key of the JSON object in $line
say() { echo "$@" | tee -a "$table"; }

head_line=$("$bin/bench_gemm" --shape "none f N N 8 8 8" | head -1)  # CPU, level, threads, peak
say "Measured on $(date -u +%Y-%m-%d), on this machine: ${head_line}."
say
say "| training step | threads | ms | forward | backward | optimiser | tokens/s | GFLOP/s | of peak | memory |"
say "|---|---|---|---|---|---|---|---|---|---|"
describe() {
  case $1 in
    T) echo "T: 2 layers, dim 32, context 16, batch 4" ;;
    S) echo "S: 4 layers, dim 128, context 64, batch 12" ;;
    M) echo "M: 6 layers, dim 384, context 256, batch 4" ;;
  esac
}
for config in T S M; do
  for threads in $thread_counts; do
    line=$("$bin/bench_step" --config "$config" --threads "$threads" --seconds "$seconds" --json)
    say "| $(describe "$config") | $threads | $(number ms_step) | $(number ms_fwd) | $(number ms_bwd) | $(number ms_opt) |" \
        "$(value tok_s) | $(number gflops) | $(awk "BEGIN { printf \"%.0f %%\", 100 * $(value peak_share) }") |" \
        "$(number rss_mib) MiB |"
  done
done

if [ -x "$bin/bench_overhead" ]; then
  say
  say "| one element, in a chain of 1,000 | ns each |"
  say "|---|---|"
  while read -r line; do say "| $(value op) | $(number ns) |"; done < <("$bin/bench_overhead" --json)
fi

# What is too long for the README goes to the screen only.
for threads in $thread_counts; do
  echo; "$bin/bench_gemm" --threads "$threads"
  if [ -x "$bin/bench_ops" ]; then echo; "$bin/bench_ops" --threads "$threads"; fi
  if [ -x "$bin/bench_attention" ]; then echo; "$bin/bench_attention" --threads "$threads"; fi
done

grep -q '^<!-- bench:begin -->$' "$readme" && grep -q '^<!-- bench:end -->$' "$readme" ||
  { echo "run.sh: $readme has no lines <!-- bench:begin --> and <!-- bench:end -->" >&2; exit 1; }
{ sed '/^<!-- bench:begin -->$/q' "$readme"; cat "$table"; sed -n '/^<!-- bench:end -->$/,$p' "$readme"; } >"$readme.new"
mv "$readme.new" "$readme"
echo; echo "the first tables are in $readme now"
