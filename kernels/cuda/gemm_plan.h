// How a GEMM call becomes one of a column-major library: which operand comes first, transposed or
// not, and which have to be copied before.
#pragma once

#include <cstdint>

#include "lockstep/core/allocator.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cuda {

// A matrix as the library wants it: column-major, `leading` elements from column to column.
struct ColumnMatrix {
  std::int64_t rows = 0, columns = 0, leading = 0;
  std::int64_t batch_stride = 0;
  bool is_transposed = false;  // what is stored is the transpose of the operand

  friend bool operator==(const ColumnMatrix&, const ColumnMatrix&) = default;
};

// out^T = b^T a^T: a row-major matrix is the transpose of a column-major one, so nothing moves.
struct GemmPlan {
  std::int64_t m = 0, n = 0, k = 0;  // of out^T: m x n, with k terms each
  std::int64_t batches = 1;
  ColumnMatrix first, second, out;  // b, a, out

  friend bool operator==(const GemmPlan&, const GemmPlan&) = default;
};

// Whether a view of two or three axes is one of ColumnMatrix: contiguous along one of its last two
// axes, and not overlapping itself along the other. What is not has to be copied.
bool is_matrix(const View& view);
// Contiguous along its last axis, as a result has to be.
bool is_row_major(const View& view);

// The plan of a call whose operands are matrices and whose result is row-major.
GemmPlan gemm_plan(const GemmCall& call);

// What a matrix product is made of.
class GemmParts {
 public:
  virtual ~GemmParts() = default;
  virtual core::Memory allocate(std::size_t bytes) = 0;
  virtual void copy(const CopyCall& call) = 0;
  virtual void pointwise(const PointwiseCall& call) = 0;
  // out (+)= a b + bias, as planned; the bias is contiguous, and no activation is asked for.
  virtual void multiply(const GemmPlan& plan, const GemmCall& call) = 0;
};

// Any call. Operands that a library cannot read where they lie are copied, and activations are a
// pass of their own.
void gemm_with(GemmParts& parts, const GemmCall& call);

}  // namespace lockstep::kernels::cuda
