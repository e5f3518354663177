// chaos_run FOLDER... trains to the end in each folder in turn, going on from its checkpoint where
// there is one, and prints the fingerprint of what came out. In the last folder CHAOS_FAULT="RANK
// STEP PHASE KIND MICROSECONDS" strikes, once; what it strikes is added to the file CHAOS_LOG.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "lockstep/comm/world.h"
#include "lockstep/core/random.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/parallel/checkpointer.h"
#include "lockstep/parallel/configuration.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/state.h"

namespace {

using namespace lockstep;

constexpr std::uint64_t seed = 3;
constexpr int shards = 4;
constexpr std::int64_t last_step = 30;
constexpr std::int64_t save_every = 3;

// What the rank is in the middle of; a thread may look at it.
std::atomic<const char*> phase{"start"};
std::atomic<std::int64_t> step{0};

// One blow, given where it is due: in the caller, or by a thread some time after the caller came
// by, in the middle of whatever goes on then.
class Fault {
 public:
  Fault(int rank, const char* text) {
    if (text == nullptr) return;
    int of_rank = 0;
    std::istringstream(text) >> of_rank >> at_step_ >> at_phase_ >> kind_ >> delay_;
    is_armed_ = of_rank == rank;
  }

  void pass(const char* now) {
    phase = now;
    if (!is_armed_ || step != at_step_ || at_phase_ != now) return;
    is_armed_ = false;
    if (delay_ == 0 || kind_ == "exception") return strike();
    std::thread([this] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay_));
      strike();
    }).detach();
  }

 private:
  void strike() const {
    record();
    if (kind_ == "kill") ::kill(::getpid(), SIGKILL);
    if (kind_ == "stop") ::kill(::getpid(), SIGSTOP);
    if (kind_ == "exit") ::_exit(9);
    throw std::runtime_error("a fault of the test");
  }

  void record() const {
    const char* file = std::getenv("CHAOS_LOG");
    if (file == nullptr) return;
    const std::string line = std::to_string(step) + " " + phase.load() + " " + kind_ + "\n";
    const int log = ::open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log < 0 || ::write(log, line.data(), line.size()) < 0) std::perror(file);
    ::close(log);
  }

  bool is_armed_ = false;
  std::int64_t at_step_ = 0;
  std::string at_phase_;
  std::string kind_;
  std::int64_t delay_ = 0;
};

// A collective that is under way when the fault may strike.
void exchange(World& world, Fault& fault) {
  Tensor sums = zeros({20'000});
  const core::Buffer place{
      sums.view().data, sums.elements(), DType::f32, {}, sums.storage()->memory()};
  comm::Work work =
      world.communicator().all_reduce(place, place, comm::Reduce::sum, core::current_stream({}));
  fault.pass("collective");
  work.wait();
}

std::uint64_t trained(World& world, const std::filesystem::path& folder, Fault& fault) {
  step = 0;
  fault.pass("start");
  const core::RandomScope keys(seed, 0, 0);
  nn::Sequential model(nn::Linear(16, 64), nn::Relu(), nn::Dropout(0.2), nn::Linear(64, 4));
  optim::AdamW adam(model.parameters(), {.lr = 1e-2});
  DataParallel ranks(model, adam, world, {.seed = seed});
  Tensor labels = empty({90}, {.dtype = DType::i64});
  for (std::int64_t i = 0; i < 90; ++i) labels.data<std::int64_t>()[i] = i % 4;
  data::Loader loader(data::in_memory(normal({90, 16}), labels), {.batch = 13, .seed = seed},
                      world.shards());
  parallel::Checkpointer checkpointer(world.communicator(), {.keep = 2});
  const auto configuration = parallel::configuration_of(world, {.seed = seed});
  parallel::Checkpoint run{model.state(), adam.state(), {}, {}};
  if (parallel::load_checkpoint(folder, run, world.communicator())) {
    const auto differences = parallel::differences(run.configuration, configuration);
    if (!differences.empty()) throw std::runtime_error("the bits would differ: " + differences[0]);
    ranks.resume_at(run.progress.step);
    loader.restore({run.progress.epoch, run.progress.position});
  }
  const auto train_step = [&](const data::GlobalBatch& batch) {
    step = ranks.steps() + 1;
    exchange(world, fault);
    fault.pass("between");
    ranks.compute_gradients(batch, [&](const data::Batch& part) {
      fault.pass("compute");
      return cross_entropy(model(part.x), part.y);
    });
    fault.pass("update");
    ranks.update();
    if (ranks.steps() % save_every != 0) return;
    fault.pass("save");
    const auto [epoch, position] = loader.cursor();
    ranks.gather_optimizer_state();
    run.progress = {ranks.steps(), seed, epoch, position};
    run.configuration = configuration;
    checkpointer.save(folder, run);
    fault.pass("write");
    // A step of this model is far shorter than a save; here the thread writes while nothing waits.
    if (checkpointer.is_writing()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  };
  while (ranks.steps() < last_step) {
    for (auto& batch : loader.epoch(loader.cursor().epoch)) {
      train_step(batch);
      if (ranks.steps() == last_step) break;
    }
  }
  fault.pass("end");
  checkpointer.wait();
  ranks.gather_optimizer_state();
  State everything = model.state();
  for (const auto& entry : adam.state()) everything.push_back(entry);
  return fingerprint(everything);
}

}  // namespace

int main(int argc, char** argv) {
  return lockstep::run(argc, argv,
                       [&](World& world) {
                         Fault none(world.rank(), nullptr);
                         // Never goes, since its thread may wake up at the very end.
                         Fault& last = *new Fault(world.rank(), std::getenv("CHAOS_FAULT"));
                         for (int i = 1; i < argc; ++i) {
                           Fault& fault = i + 1 == argc ? last : none;
                           const std::uint64_t result = trained(world, argv[i], fault);
                           if (!world.is_root()) continue;
                           std::printf("%s %016llx\n", argv[i],
                                       static_cast<unsigned long long>(result));
                           std::fflush(stdout);
                         }
                       },
                       {.shards = shards});
}
