#include "lockstep/parallel/data_parallel.h"

#include "src/parallel/engine.h"

namespace lockstep {

DataParallel::DataParallel(nn::Module& model, optim::Optimizer& optimizer, World& world,
                           const DataParallelOptions& options)
    : engine_(std::make_unique<Engine>(model, optimizer, world, options)) {}

DataParallel::~DataParallel() = default;

void DataParallel::compute(int parts, std::optional<double> batch_weight, const ShardLoss& loss) {
  engine_->compute(parts, batch_weight, loss);
}

StepReport DataParallel::update() { return engine_->update(); }

State DataParallel::gradients() const { return engine_->gradients(); }

void DataParallel::compare_replicas() { engine_->compare_replicas(); }

std::int64_t DataParallel::steps() const { return engine_->steps; }

void DataParallel::resume_at(std::int64_t steps) { engine_->steps = steps; }

}  // namespace lockstep
