#include "kernels/cuda/rows.h"

#include "kernels/cuda/gpu.cuh"

namespace lockstep::kernels::cuda {

void rows(const Launch& on, const RowsCall& call) { rows_on(Gpu{on}, call); }

}  // namespace lockstep::kernels::cuda
