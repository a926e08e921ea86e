// The elementary functions over registers: the same formulas for f32 and f64, written with the operations of Vec
// alone, so every level with FMA gives the same bits and a value does not depend on its lane. No libm, no
// tables in memory, no branch but for the huge angles of sin and cos. Found by argument-dependent lookup: an
// elementwise functor writes exp(x).
#pragma once
#include "tensor/kernels/math_erf.h"    // erf, gelu, gelu_tanh
#include "tensor/kernels/math_exp.h"    // exp, expm1, sigmoid, silu, tanh
#include "tensor/kernels/math_log.h"    // log, log1p, softplus
#include "tensor/kernels/math_pow.h"    // pow
#include "tensor/kernels/math_tools.h"  // rsqrt, sign
#include "tensor/kernels/math_trig.h"   // sin, cos
