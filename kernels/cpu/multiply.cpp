// Blocks of b are packed once and stay in the second-level cache while all rows of a pass over
// them.
#include "kernels/cpu/multiply.h"

#include "kernels/cpu/activation.h"
#include "kernels/cpu/pack.h"
#include "kernels/cpu/scratch.h"
#include "kernels/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t block_depth = 384;  // a packed block of columns: 48 KiB of f32 with AVX-512
constexpr std::int64_t columns_together = 384;  // of b: 384 KiB of f32
constexpr std::int64_t rows_together = 8 * tile_rows;
constexpr std::int64_t few_rows = 6 * tile_rows;

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

// One block: `depth` steps and `columns` of b, packed, or in place with `pitch` between its steps.
template <class T> struct Block {
  Range depth, columns;
  const T* right;
  std::ptrdiff_t pitch;  // 0: packed
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

// Some rows of a, for the steps of a block.
template <class T> struct Left {
  const T* first;
  std::ptrdiff_t row, step;
  std::int64_t rows;
};

// Copies the rows to where no two of them compete for the same cache set.
template <class T> Left<T> gathered(const Left<T>& left, std::int64_t depth) {
  constexpr std::int64_t line = 64 / sizeof(T);
  if (left.step == 1) {
    const std::int64_t pitch = round_up(depth, line) + line;
    T* copy = scratch<T>(Scratch::left, left.rows * pitch);
    for (std::int64_t r = 0; r < left.rows; ++r)
      std::copy_n(left.first + r * left.row, depth, copy + r * pitch);
    return {copy, pitch, 1, left.rows};
  }
  T* copy = scratch<T>(Scratch::left, depth * rows_together);
  detail::pack_lines(left.rows, depth, left.first, left.step, left.row, rows_together, copy);
  return {copy, 1, rows_together, left.rows};
}

// All tiles of the rows against the panel that starts at `column` of the block; out begins at the
// first row.
template <class T>
void run_panel(const Block<T>& block, const Left<T>& left, std::int64_t column, T* out,
               std::ptrdiff_t out_row) {
  const std::int64_t columns = block.columns.count - column;
  const int vectors = vectors_of<T>(columns);
  const std::int64_t width = vectors * lanes<T>;
  const Walk walk{.steps = block.depth.count,
                  .step_pitch = left.step,
                  .right_pitch = block.pitch > 0 ? block.pitch : width};
  const T* right = block.right + (block.pitch > 0 ? column : column * block.depth.count);
  Finish<T> finish = block.finish;
  finish.columns = static_cast<int>(std::min(width, columns));
  if (finish.bias != nullptr) finish.bias += block.columns.first + column;
  for (std::int64_t i = 0; i < left.rows; i += tile_rows) {
    const int count = static_cast<int>(std::min<std::int64_t>(tile_rows, left.rows - i));
    const T* rows[tile_rows];
    T* results[tile_rows];
    for (int r = 0; r < count; ++r) {
      rows[r] = left.first + (i + r) * left.row;
      results[r] = out + (i + r) * out_row + block.columns.first + column;
    }
    run_tile(rows, count, vectors, right, walk, results, finish);
  }
}

template <class T> void run_block(const Product<T>& p, const Block<T>& block) {
  const std::int64_t panels = divide_up(block.columns.count, block_columns<T>);
  const std::int64_t groups = divide_up(p.rows, rows_together);
  // Few rows: threads share the panels instead, and each reads a where it lies.
  const std::int64_t panels_together = groups >= threads() ? panels : 1;
  const std::int64_t parts = divide_up(panels, panels_together);
  core::parallel_chunks(threads(), groups * parts, 1, [&](std::int64_t task, std::int64_t) {
    const std::int64_t row = task / parts * rows_together;
    const std::int64_t panel = task % parts * panels_together;
    Left<T> left{p.a + row * p.a_row + block.depth.first * p.a_step, p.a_row, p.a_step,
                 std::min(rows_together, p.rows - row)};
    if (panels_together >= 4) left = gathered(left, block.depth.count);
    for (std::int64_t i = panel; i < panel + panels_together; ++i) {
      run_panel(block, left, i * block_columns<T>, p.out + row * p.out_row, p.out_row);
    }
  });
}

// Few rows use each element of b too seldom to pay for a packed copy.
template <class T> bool reads_b_in_place(const Product<T>& p) {
  return p.b_column == 1 && p.columns % lanes<T> == 0 && p.rows <= few_rows;
}

}  // namespace

template <class T> void multiply(const Product<T>& p) {
  const bool fuses = p.activation == Activation::none || p.activation == Activation::relu;
  const bool in_place = reads_b_in_place(p);
  const T* bias = padded_bias(p);
  const std::int64_t deep = std::max<std::int64_t>(1, divide_up(p.depth, block_depth));
  for (std::int64_t first = 0; first < p.columns; first += columns_together) {
    const Range columns{first, std::min(columns_together, p.columns - first)};
    for (std::int64_t d = 0; d < deep; ++d) {
      const Range depth = part(p.depth, deep, d);
      const bool is_last = d + 1 == deep;
      const T* right =
          in_place ? p.b + depth.first * p.b_step + first : packed_block(p, depth, columns);
      run_block(p, {.depth = depth,
                    .columns = columns,
                    .right = right,
                    .pitch = in_place ? p.b_step : 0,
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
