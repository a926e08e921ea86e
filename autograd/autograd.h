// Everything about variables in one include.
#pragma once
#include "autograd/checkpoint.h"
#include "autograd/dropout.h"
#include "autograd/elementwise.h"
#include "autograd/gradcheck.h"
#include "autograd/indexing.h"
#include "autograd/losses.h"
#include "autograd/matmul.h"
#include "autograd/reduce.h"
#include "autograd/rows.h"
#include "autograd/tape.h"
#include "autograd/variable.h"
#include "autograd/views.h"
