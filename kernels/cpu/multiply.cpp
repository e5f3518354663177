// Blocks of b are packed once and stay in the second-level cache while all rows of a pass over
// them.
#include "kernels/cpu/multiply.h"

#include "kernels/cpu/activation.h"
#include "kernels/cpu/host.h"
#include "kernels/cpu/pack.h"
#include "kernels/cpu/scratch.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t block_depth = 384;  // a packed block of columns: 48 KiB of f32 with AVX-512
constexpr std::int64_t columns_together = 384;  // of b: 576 KiB of f32
constexpr std::int64_t rows_together = 8 * tile_rows;

struct Range {
  std::int64_t first, count;
};

// Part `index` of `parts` nearly equal ones.
Range part(std::int64_t total, std::int64_t parts, std::int64_t index) {
  const std::int64_t first = total * index / parts;
  return {first, total * (index + 1) / parts - first};
}

template <class T> const T* padded_bias(const Product<T>& p) {
  if (p.bias == nullptr) return nullptr;
  T* copy = scratch<T>(Scratch::bias, round_up(p.columns, lanes<T>));
  for (std::int64_t j = 0; j < p.columns; ++j) copy[j] = p.bias[j * p.bias_column];
  std::fill(copy + p.columns, copy + round_up(p.columns, lanes<T>), T(0));
  return copy;
}

// One block: `depth` steps and `columns` of b, packed.
template <class T> struct Block {
  Range depth, columns;
  const T* packed;
  Finish<T> finish;
};

template <class T> const T* packed_block(const Product<T>& p, Range depth, Range columns) {
  T* packed = scratch<T>(Scratch::right, packed_size<T>(columns.count, depth.count));
  const T* from = p.b + depth.first * p.b_step + columns.first * p.b_column;
  const std::int64_t panels = divide_up(columns.count, block_columns<T>);
  core::parallel_chunks(threads(), panels, 1, [&](std::int64_t panel, std::int64_t) {
    const std::int64_t column = panel * block_columns<T>;
    pack_block(columns.count - column, depth.count, from + column * p.b_column, p.b_step,
               p.b_column, packed + column * depth.count);
  });
  return packed;
}

// `rows` of a against the panel that starts at `column` of the block.
template <class T>
void run_panel(const Product<T>& p, const Block<T>& block, std::int64_t column, Range of_rows) {
  const std::int64_t left = block.columns.count - column;
  const int vectors = vectors_of<T>(left);
  const std::int64_t width = vectors * lanes<T>;
  const Walk walk{.steps = block.depth.count, .step_pitch = p.a_step, .right_pitch = width};
  Finish<T> finish = block.finish;
  finish.columns = static_cast<int>(std::min(width, left));
  if (finish.bias != nullptr) finish.bias += block.columns.first + column;
  for (std::int64_t i = 0; i < of_rows.count; i += tile_rows) {
    const int count = static_cast<int>(std::min<std::int64_t>(tile_rows, of_rows.count - i));
    const T* rows[tile_rows];
    T* out[tile_rows];
    for (int r = 0; r < count; ++r) {
      const std::int64_t row = of_rows.first + i + r;
      rows[r] = p.a + row * p.a_row + block.depth.first * p.a_step;
      out[r] = p.out + row * p.out_row + block.columns.first + column;
    }
    run_tile(rows, count, vectors, block.packed + column * block.depth.count, walk, out, finish);
  }
}

template <class T> void run_block(const Product<T>& p, const Block<T>& block) {
  const std::int64_t panels = divide_up(block.columns.count, block_columns<T>);
  const std::int64_t groups = divide_up(p.rows, rows_together);
  core::parallel_chunks(threads(), groups * panels, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t row = task / panels * rows_together;
    run_panel(p, block, task % panels * block_columns<T>,
              {row, std::min(rows_together, p.rows - row)});
  });
}

}  // namespace

template <class T> void multiply(const Product<T>& p) {
  const bool fuses = p.activation == Activation::none || p.activation == Activation::relu;
  const T* bias = padded_bias(p);
  const std::int64_t deep = std::max<std::int64_t>(1, divide_up(p.depth, block_depth));
  for (std::int64_t first = 0; first < p.columns; first += columns_together) {
    const Range columns{first, std::min(columns_together, p.columns - first)};
    for (std::int64_t d = 0; d < deep; ++d) {
      const Range depth = part(p.depth, deep, d);
      const bool is_last = d + 1 == deep;
      run_block(p, {.depth = depth,
                    .columns = columns,
                    .packed = packed_block(p, depth, columns),
                    .finish = {.bias = is_last ? bias : nullptr,
                               .add = p.add || d > 0,
                               .relu = is_last && p.activation == Activation::relu}});
    }
  }
  for (std::int64_t i = 0; !fuses && i < p.rows; ++i)
    activate(p.activation, p.out + i * p.out_row, p.columns);
}

template void multiply<float>(const Product<float>&);
template void multiply<double>(const Product<double>&);

}  // namespace lockstep::kernels::cpu
