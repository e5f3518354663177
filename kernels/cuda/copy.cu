#include "kernels/cuda/copy.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {
namespace {

constexpr int tile_rows = 8;

// Reads a square along `in`'s rows and writes it along `out`'s. The column of padding keeps the
// threads of a warp on different banks.
template <class Bits>
__global__ void __launch_bounds__(tile* tile_rows)
    transpose_kernel(const __grid_constant__ TransposeArguments a) {
  __shared__ Bits square[tile][tile + 1];
  const std::uint32_t all = a.outer.steps * a.tiles;
  for (std::uint32_t task = blockIdx.x; task < all; task += gridDim.x) {
    std::int64_t at[2];
    a.outer.find(task / a.tiles, at);
    const std::uint32_t row = task % a.tiles % a.row_tiles * tile;
    const std::uint32_t column = task % a.tiles / a.row_tiles * tile;
    const Bits* const in = static_cast<const Bits*>(a.in) + at[1];
    Bits* const out = static_cast<Bits*>(a.out) + at[0];
    for (std::uint32_t k = threadIdx.y; k < tile; k += tile_rows) {
      const std::uint32_t r = row + k, c = column + threadIdx.x;
      if (r < a.rows && c < a.columns) square[k][threadIdx.x] = in[r * a.in_stride + c];
    }
    __syncthreads();
    for (std::uint32_t k = threadIdx.y; k < tile; k += tile_rows) {
      const std::uint32_t r = row + threadIdx.x, c = column + k;
      if (r < a.rows && c < a.columns) out[c * a.out_stride + r] = square[threadIdx.x][k];
    }
    __syncthreads();
  }
}

struct TransposingGpu : Gpu {
  template <class Bits> void transpose(const TransposeArguments& a) const {
    const unsigned blocks = blocks_for(std::int64_t{a.outer.steps} * a.tiles * block_threads);
    transpose_kernel<Bits><<<blocks, dim3(tile, tile_rows), 0, launch.stream>>>(a);
  }
};

}  // namespace

void copy(const Launch& on, const CopyCall& call) { copy_on(TransposingGpu{{on}}, call); }

}  // namespace lockstep::kernels::cuda
