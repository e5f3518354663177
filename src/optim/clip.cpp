#include "lockstep/optim/clip.h"

#include <fmt/format.h>

#include <algorithm>
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

// Blocks that begin at the piece's first element.
void sum_blocks(const Arena& arena, core::Range piece, double* out) {
  const std::int64_t whole = piece.count() / norm_block;
  const std::int64_t end = piece.begin + whole * norm_block;
  if (whole > 0) sum_rows(arena.gradients({piece.begin, end}), whole, out);
  if (end < piece.end) sum_rows(arena.gradients({end, piece.end}), 1, out + whole);
}

}  // namespace

NormBlocks::NormBlocks(Optimizer& optimizer, const std::vector<bool>& takes_part)
    : optimizer_(optimizer), takes_part_(takes_part) {
  check<UsageError>(takes_part.size() == optimizer.parameters().size(), [&] {
    return Complaint{fmt::format("gradient_norm: {} flags for {} parameters", takes_part.size(),
                                 optimizer.parameters().size()),
                     "give one for each of the optimizer's parameters()"};
  });
  for (Arena& arena : optimizer.arenas()) {
    arena.gather_gradients();
    std::int64_t blocks = 0;
    for (const Segment& segment : arena.segments())
      blocks += is_used(segment) ? blocks_of(segment) : 0;
    sums_.push_back(zeros({blocks}, {.dtype = DType::f64, .device = arena.device()}));
  }
}

void NormBlocks::sum(int arena_index, core::Range range) {
  const auto place = static_cast<std::size_t>(arena_index);
  const Arena& arena = optimizer_.arenas().at(place);
  auto* sums = sums_[place].view().as<double>();
  for (const Segment& segment : arena.segments()) {
    if (!is_used(segment)) continue;
    const core::Range piece{std::max(range.begin, segment.offset),
                            std::min(range.end, segment.range().end)};
    if (piece.begin < piece.end)
      sum_blocks(arena, piece, sums + (piece.begin - segment.offset) / norm_block);
    sums += blocks_of(segment);
  }
}

core::Buffer NormBlocks::sums(int arena) const {
  const Tensor& sums = sums_.at(static_cast<std::size_t>(arena));
  return {sums.view().data, sums.elements(), DType::f64, sums.device(), sums.storage()->memory()};
}

double NormBlocks::norm() const {
  std::vector<double> squares(takes_part_.size(), 0.0);  // by parameter
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const Tensor on_host = sums_[i].device() == Device{} ? sums_[i] : copied_to(sums_[i], Device{});
    const double* next = on_host.data<double>();
    for (const Segment& segment : optimizer_.arenas()[i].segments()) {
      if (!is_used(segment)) continue;
      const double* end = next + blocks_of(segment);
      squares[static_cast<std::size_t>(segment.parameter)] = std::accumulate(next, end, 0.0);
      next = end;
    }
  }
  const double total = std::accumulate(squares.begin(), squares.end(), 0.0);
  return std::sqrt(total) * std::abs(optimizer_.gradient_scale());
}

double gradient_norm(Optimizer& optimizer) {
  return gradient_norm(optimizer, optimizer.with_gradient());
}

double gradient_norm(Optimizer& optimizer, const std::vector<bool>& takes_part) {
  NormBlocks blocks(optimizer, takes_part);
  for (std::size_t i = 0; i < optimizer.arenas().size(); ++i)
    blocks.sum(static_cast<int>(i), {0, optimizer.arenas()[i].count()});
  return blocks.norm();
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
  clip_to_norm(optimizer, limit, norm);
  return norm;
}

void clip_to_norm(Optimizer& optimizer, double limit, double norm) {
  if (std::isfinite(norm) && norm > limit) optimizer.scale_gradients(limit / norm);
}

}  // namespace lockstep::optim
