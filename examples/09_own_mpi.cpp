// A program with an MPI of its own trains two models at once, each on half of its ranks: run it
// with mpirun -n 4.
#include <mpi.h>

#include <cstdio>

#include "lockstep/lockstep.h"

using namespace lockstep;

// Fits a line through y = slope * x; all ranks of `ranks` call it.
double fitted_slope(MPI_Comm ranks, double slope) {
  World world({.mpi_communicator = MPI_Comm_c2f(ranks)});
  const Tensor inputs = reshape(arange(0, 64) / 64, {64, 1});

  nn::Linear line(1, 1);
  optim::Sgd sgd(line.parameters(), {.lr = 0.3});
  DataParallel train(line, sgd, world);
  data::Loader loader(data::in_memory(inputs, inputs * slope), {.batch = 16, .seed = 1},
                      world.shards());
  for (int epoch = 0; epoch < 200; ++epoch) {
    for (auto& batch : loader.epoch(epoch))
      train.step(batch, [&](const data::Batch& part) { return mse(line(part.x), part.y); });
  }
  return line.weight().item();
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const double wanted = rank % 2 == 0 ? 2 : -3;

  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
  double error = fitted_slope(half, wanted) - wanted;
  MPI_Comm_free(&half);

  std::printf("rank %d: off by %.1e\n", rank, error);
  error = error < 0 ? -error : error;
  MPI_Allreduce(MPI_IN_PLACE, &error, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return error < 1e-3 ? 0 : 1;
}
