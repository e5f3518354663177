#include "lockstep/optim/clip.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

namespace lockstep::optim {

namespace {

std::int64_t blocks_of(const Segment& segment) {
  return (segment.count + norm_block - 1) / norm_block;
}

// out[i] = the sum of squares of row i of [rows, columns] elements.
void sum_rows(const core::Buffer& in, std::int64_t rows, double* out) {
  const std::int64_t columns = in.count / rows;
  const kernels::ReduceCall call{.op = kernels::ReduceOp::sum_of_squares,
                                 .in = {in.data, in.dtype, {rows, columns}, {columns, 1}},
                                 .out = {out, DType::f64, {rows, 1}, {1, 1}}};
  kernels::backend(in.device).reduce(call, core::current_stream(in.device));
}

void sum_blocks(const Arena& arena, const Segment& segment, double* out) {
  const std::int64_t whole = segment.count / norm_block;
  const std::int64_t end = segment.offset + whole * norm_block;
  if (whole > 0) sum_rows(arena.gradients({segment.offset, end}), whole, out);
  if (end < segment.range().end)
    sum_rows(arena.gradients({end, segment.range().end}), 1, out + whole);
}

// Adds the arena's sums of squares to their parameters' places.
void add_squares(const Arena& arena, const std::vector<bool>& takes_part,
                 std::vector<double>& squares) {
  const auto is_used = [&](const Segment& segment) {
    return takes_part[static_cast<std::size_t>(segment.parameter)];
  };
  std::int64_t blocks = 0;
  for (const Segment& segment : arena.segments())
    blocks += is_used(segment) ? blocks_of(segment) : 0;
  if (blocks == 0) return;
  const Tensor sums = empty({blocks}, {.dtype = DType::f64, .device = arena.device()});
  auto* place = sums.view().as<double>();
  for (const Segment& segment : arena.segments()) {
    if (!is_used(segment)) continue;
    sum_blocks(arena, segment, place);
    place += blocks_of(segment);
  }
  const Tensor on_host = arena.device() == Device{} ? sums : copied_to(sums, Device{});
  const double* next = on_host.data<double>();
  for (const Segment& segment : arena.segments()) {
    if (!is_used(segment)) continue;
    const double* end = next + blocks_of(segment);
    squares[static_cast<std::size_t>(segment.parameter)] = std::accumulate(next, end, 0.0);
    next = end;
  }
}

}  // namespace

double gradient_norm(Optimizer& optimizer) {
  return gradient_norm(optimizer, optimizer.with_gradient());
}

double gradient_norm(Optimizer& optimizer, const std::vector<bool>& takes_part) {
  check<UsageError>(takes_part.size() == optimizer.parameters().size(), [&] {
    return Complaint{fmt::format("gradient_norm: {} flags for {} parameters", takes_part.size(),
                                 optimizer.parameters().size()),
                     "give one for each of the optimizer's parameters()"};
  });
  std::vector<double> squares(takes_part.size(), 0.0);
  for (Arena& arena : optimizer.arenas()) {
    arena.gather_gradients();
    add_squares(arena, takes_part, squares);
  }
  const double total = std::accumulate(squares.begin(), squares.end(), 0.0);
  return std::sqrt(total) * std::abs(optimizer.gradient_scale());
}

double clip_gradient_norm(Optimizer& optimizer, double limit) {
  return clip_gradient_norm(optimizer, limit, optimizer.with_gradient());
}

double clip_gradient_norm(Optimizer& optimizer, double limit, const std::vector<bool>& takes_part) {
  check<UsageError>(limit > 0, [&] {
    return Complaint{fmt::format("clip_gradient_norm: the limit is {}", limit),
                     "give a limit above 0"};
  });
  const double norm = gradient_norm(optimizer, takes_part);
  if (std::isfinite(norm) && norm > limit) optimizer.scale_gradients(limit / norm);
  return norm;
}

}  // namespace lockstep::optim
