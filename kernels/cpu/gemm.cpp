#include "kernels/cpu/gemm.h"

#include <utility>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/multiply.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/transpose.h"
#include "kernels/cpu/widened.h"

namespace lockstep::kernels::cpu {
namespace {

template <class T> Product<T> product_of(const GemmCall& call, std::int64_t batch) {
  const int axis = call.out.rank() - 2;
  const auto at = [&](const View& view) {
    return view.as<T>() + (axis == 1 ? batch * view.strides[0] : 0);
  };
  const Shape &a = call.a.strides, &b = call.b.strides;
  return {.rows = call.out.sizes[axis],
          .columns = call.out.sizes[axis + 1],
          .depth = call.a.sizes[axis + 1],
          .a = at(call.a),
          .a_row = a[axis],
          .a_step = a[axis + 1],
          .b = at(call.b),
          .b_step = b[axis],
          .b_column = b[axis + 1],
          .out = at(call.out),
          .out_row = call.out.strides[axis],
          .bias = call.bias.as<T>(),
          .bias_column = call.bias.data != nullptr ? call.bias.strides[0] : 0,
          .add = call.write == Write::add,
          .activation = call.activation};
}

// Row i of the result, computed elsewhere, as the call wants it.
template <class T>
void finish_row(const Product<T>& p, std::int64_t i, T* row, std::ptrdiff_t out_column) {
  for (std::int64_t j = 0; p.bias != nullptr && j < p.columns; ++j)
    row[j] += p.bias[j * p.bias_column];
  activate(p.activation, row, p.columns);
  T* out = p.out + i * p.out_row;
  if (p.add) {
    for (std::int64_t j = 0; j < p.columns; ++j) out[j * out_column] += row[j];
  } else {
    for (std::int64_t j = 0; j < p.columns; ++j) out[j * out_column] = row[j];
  }
}

// The product alone, into scratch memory.
template <class T> Product<T> plain(const Product<T>& p, T* result) {
  Product<T> product = p;
  product.out = result;
  product.out_row = p.columns;
  product.bias = nullptr;
  product.add = false;
  product.activation = Activation::none;
  return product;
}

template <class T> void multiply_elsewhere(const Product<T>& p, std::ptrdiff_t out_column) {
  T* result = scratch<T>(Scratch::result, p.rows * p.columns);
  multiply(plain(p, result));
  for (std::int64_t i = 0; i < p.rows; ++i) finish_row(p, i, result + i * p.columns, out_column);
}

// out^T = b^T a^T: packs a instead of b.
template <class T> void multiply_turned(const Product<T>& p) {
  T* result = scratch<T>(Scratch::result, 2 * p.rows * p.columns);
  Product<T> turned = plain(p, result);
  std::swap(turned.rows, turned.columns);
  turned.out_row = p.rows;
  turned.a = p.b;
  turned.a_row = p.b_column;
  turned.a_step = p.b_step;
  turned.b = p.a;
  turned.b_step = p.a_step;
  turned.b_column = p.a_row;
  multiply(turned);
  T* upright = result + p.rows * p.columns;
  transpose_matrix(result, p.columns, p.rows, upright);
  for (std::int64_t i = 0; i < p.rows; ++i) finish_row(p, i, upright + i * p.columns, 1);
}

// Packing b means turning it where its steps are contiguous; a, if it is much smaller, is cheaper
// to pack.
template <class T> bool is_cheaper_turned(const Product<T>& p) {
  const bool turns_b = p.b_step == 1 && p.b_column != 1;
  return turns_b && p.columns * p.depth > p.rows * p.depth + 2 * p.rows * p.columns;
}

template <class T> void run(const GemmCall& call) {
  const bool has_batch = call.out.rank() == 3;
  const std::int64_t batches = has_batch ? call.out.sizes[0] : 1;
  const std::ptrdiff_t out_column = call.out.strides[call.out.rank() - 1];
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    const Product<T> p = product_of<T>(call, batch);
    if (p.rows == 0 || p.columns == 0) continue;
    if (out_column != 1 && p.columns != 1) {
      multiply_elsewhere(p, out_column);
    } else if (is_cheaper_turned(p)) {
      multiply_turned(p);
    } else {
      multiply(p);
    }
  }
}

}  // namespace

void gemm(const GemmCall& call) {
  if (call.a.dtype == DType::f32) return run<float>(call);
  if (call.a.dtype == DType::f64) return run<double>(call);
  if (!onednn::gemm(call)) widened::gemm(call);
}

}  // namespace lockstep::kernels::cpu
