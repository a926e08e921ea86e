#!/usr/bin/env bash
# What `make check` proves about the sources: style, layering, no weak symbol in a kernel, no warning of any compiler that
# is there, each file by itself (COMPILERS names other compilers, FILES fewer files).
set -u
build=${1:?build folder} flags=${2:?compiler flags}
cd "$(dirname "$0")/.." || exit 1
failed=0
report() {  # report NAME OUTPUT: an empty output is a pass
  if [ -z "$2" ]; then echo "ok    $1"; else echo "FAIL  $1"; printf '%s\n' "$2" | sed 's/^/        /' | head -20; failed=1; fi
}
sources() { git ls-files "$@" 2>/dev/null; }

if command -v clang-format >/dev/null; then
  report "format" "$(sources '*.h' '*.cpp' | xargs clang-format --dry-run 2>&1 | grep -E 'warning|error' | cut -d: -f1 | sort | uniq -c)"
else
  echo "skip  format (clang-format is not installed)"
fi

# Includes run one way: tensor <- autograd <- {nn, optim} <- {examples, tests}.
upward() { git grep -nE "#include \"($2)/" -- "$1/*.h" "$1/*.cpp" 2>/dev/null; }
report "layering" "$(upward tensor 'autograd|nn|optim|examples|tests'; upward autograd 'nn|optim|examples|tests'
                    upward nn 'optim|examples|tests'; upward optim 'nn|examples|tests'; upward examples 'tests')"

# Raw element pointers and kernels stay inside tensor/.
report "no raw pointers above tensor/" "$(git grep -nE '[.>](template )?data<|#include "tensor/(kernels|gemm|loop)' -- \
  'autograd/*' 'nn/*' 'optim/*' 'examples/*' 2>/dev/null)"

# One door for errors, one for the environment, one for threads.
report "errors go through fail()" "$(git grep -nE '\bthrow\b' -- 'tensor/*' 'autograd/*' 'nn/*' 'optim/*' |
  grep -vE 'tensor/error\.|//.*\bthrow|\bthrow;')"
report "getenv only in tensor/environment.cpp" "$(git grep -nE '\bgetenv\b' -- 'tensor/*' 'autograd/*' 'nn/*' 'optim/*' | grep -v 'tensor/environment.cpp')"
report "threads only behind tensor/parallel.h" "$(git grep -nE 'std::(thread|jthread|async)\b' -- 'tensor/*' 'autograd/*' 'nn/*' 'optim/*' | grep -vE 'tensor/parallel\.|hardware_concurrency')"

# A weak symbol of a kernel file could be taken by the linker for code that older machines run too.
weak=$(for o in "$build"/kernels/*/*.o; do nm -C "$o" | grep -E ' [WVuwv] ' | sed "s|^|$o: |"; done)
report "no weak symbol in the kernels" "$weak"

# No warning, with every compiler that is there; the tests and benchmarks included.
read -ra files <<<"${FILES:-*.cpp}"
warnings() {  # warnings COMPILER
  sources "${files[@]}" | grep -v '^tensor/kernels/\|^tests/levels/' | xargs -P"$(nproc)" -n2 "$1" $flags -fsyntax-only
  sources 'tensor/kernels/*.cpp' 'tests/levels/*.cpp' | xargs -P"$(nproc)" -n2 "$1" $flags $kernel_flags -fsyntax-only
}
kernel_flags="-Wno-psabi -DFOVEA_LEVEL=check"
[ "$(uname -m)" = x86_64 ] && kernel_flags="$kernel_flags -mavx2 -mfma"
for cxx in ${COMPILERS:-g++ clang++}; do
  command -v $cxx >/dev/null || { echo "skip  warnings of $cxx (not installed)"; continue; }
  report "no warnings of $cxx" "$(warnings $cxx 2>&1 | grep -E 'warning|error')"
done
exit $failed
