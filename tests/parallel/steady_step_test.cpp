// A training step in its steady state asks the system for nothing: counted at malloc and mmap
// themselves.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "tests/support/training_run.h"

namespace {

constexpr std::size_t large = 4096;
std::atomic<bool> is_counting{false};
std::atomic<long> large_allocations{0};
std::atomic<long> mappings{0};
std::atomic<long> live_bytes{
    0};  // not mallinfo's, which takes freed blocks in thread caches for live

void* counted(void* block, std::size_t bytes) {
  if (is_counting && bytes > large) ++large_allocations;
  live_bytes += static_cast<long>(malloc_usable_size(block));
  return block;
}
void discount(void* block) { live_bytes -= static_cast<long>(malloc_usable_size(block)); }

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);                 // NOLINT
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT
void __libc_free(void*);                          // NOLINT

// These take the place of the C library's for the whole process, plug-ins included.
void* malloc(std::size_t bytes) { return counted(__libc_malloc(bytes), bytes); }
void* calloc(std::size_t number, std::size_t bytes) {
  return counted(__libc_calloc(number, bytes), number * bytes);
}
void* realloc(void* block, std::size_t bytes) {
  discount(block);
  return counted(__libc_realloc(block, bytes), bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return counted(__libc_memalign(alignment, bytes), bytes);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  *block = counted(__libc_memalign(alignment, bytes), bytes);
  return *block == nullptr ? ENOMEM : 0;
}
void free(void* block) {
  discount(block);
  __libc_free(block);
}
void* mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  if (is_counting) ++mappings;
  return reinterpret_cast<void*>(  // NOLINT: the system call's result is an address
      syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
}

}  // extern "C"

namespace lockstep::tests {
namespace {

class SteadyStep : public testing::TestWithParam<Model> {};

TEST_P(SteadyStep, AllocatesNothingLargeAndMapsNothing) {
  World world;
  TrainingRun run{.model = GetParam(), .steps = 8, .batch = 64, .last_batch = 64};
  const auto model = model_for(run.model);
  optim::Sgd sgd(model->parameters(), {.momentum = 0.9});
  DataParallel ranks(*model, sgd, world, run.options);
  const ShardedBatch batch = batch_of(run, 0, world.shards());
  const auto step = [&] {
    ranks.step(batch, [&](const Part& part) { return cross_entropy((*model)(part.x), part.y); });
  };
  for (int i = 0; i < 8; ++i) step();
  const long live = live_bytes;
  is_counting = true;
  for (int i = 0; i < 20; ++i) step();
  is_counting = false;
  EXPECT_EQ(large_allocations, 0);
  EXPECT_EQ(mappings, 0);
  EXPECT_EQ(live_bytes, live);
}

INSTANTIATE_TEST_SUITE_P(Models, SteadyStep,
                         testing::Values(Model::mlp, Model::cnn, Model::wide_cnn));

// The counters above must see what they claim to see.
TEST(SteadyStep, CountsAnAllocationThatIsLarge) {
  large_allocations = 0;
  is_counting = true;
  const long live = live_bytes;
  void* volatile block = std::malloc(large + 1);
  is_counting = false;
  EXPECT_GT(live_bytes, live + static_cast<long>(large));
  std::free(block);
  EXPECT_EQ(live_bytes, live);
  EXPECT_EQ(large_allocations, 1);
  large_allocations = 0;
}

}  // namespace
}  // namespace lockstep::tests
