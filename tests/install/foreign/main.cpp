// Fits a line through noiseless points on all ranks, as a project of its own would. Its argument is
// the number of ranks that there must be.
#include <lockstep/lockstep.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace lockstep;

int main(int argc, char** argv) {
  return lockstep::run(argc, argv, [&](World& world) {
    std::vector<double> x, y;
    for (int i = 0; i < 64; ++i) {
      x.push_back(i / 32.0 - 1);
      y.push_back(3 * x.back() - 2);
    }
    const data::DatasetPointer points = data::in_memory(tensor(x, {64, 1}), tensor(y, {64, 1}));

    nn::Linear line(1, 1);
    optim::Sgd sgd(line.parameters(), {.lr = 0.3});
    DataParallel ranks(line, sgd, world);
    data::Loader loader(points, {.batch = 16, .seed = 1}, world.shards());

    StepReport report;
    for (int epoch = 0; epoch < 50; ++epoch) {
      for (auto& batch : loader.epoch(epoch)) {
        report =
            ranks.step(batch, [&](const data::Batch& part) { return mse(line(part.x), part.y); });
      }
    }
    std::printf("rank %d of %d with lockstep %s: loss %.2e\n", world.rank(), world.size(),
                version(), report.loss);
    const int expected_size = argc > 1 ? std::atoi(argv[1]) : 1;
    return world.size() == expected_size && report.loss < 1e-6 ? 0 : 1;
  });
}
