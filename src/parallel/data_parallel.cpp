#include "lockstep/parallel/data_parallel.h"

#include "src/parallel/engine.h"

namespace lockstep {

DataParallel::DataParallel(nn::Module& model, optim::Optimizer& optimizer, World& world,
                           const DataParallelOptions& options, std::source_location where)
    : engine_(std::make_unique<Engine>(model, optimizer, world, options, where)) {}

DataParallel::~DataParallel() = default;

void DataParallel::compute(const Task& task, const ShardLoss& loss) {
  engine_->compute(task, loss);
}

StepReport DataParallel::update() { return engine_->update(); }

State DataParallel::gradients() const { return engine_->gradients(); }

void DataParallel::compare_replicas() { engine_->compare_replicas(); }

void DataParallel::gather_optimizer_state() { engine_->gather_optimizer_state(); }

std::int64_t DataParallel::steps() const { return engine_->steps; }

void DataParallel::resume_at(std::int64_t steps) { engine_->steps = steps; }

}  // namespace lockstep
