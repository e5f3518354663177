// Batches of a dataset, cut into shards and prepared ahead by a helper thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <vector>

#include "lockstep/core/shard.h"
#include "lockstep/data/batch.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/transform.h"

namespace lockstep::data {

struct LoaderOptions {
  std::int64_t batch = 0;  // samples of the GLOBAL batch, all shards of all ranks together
  std::uint64_t seed = 0;  // of the order and of random transforms
  bool shuffle = true;     // false: in the dataset's order
  int prefetch = 2;        // batches prepared ahead; 0: each when it is asked for, without a thread
  Device device;           // where batches lie; they are copied there ahead of their use
  std::vector<Transform> transforms;  // applied to every sample's x, first to last
};

// The next sample to be handed out.
struct Cursor {
  std::int64_t epoch = 0;
  std::int64_t position = 0;  // samples of the epoch that are done, on all ranks together

  friend bool operator==(const Cursor&, const Cursor&) = default;
};

class Epoch;

// Each batch is `batch` consecutive samples of the epoch's order, cut by core::part_of into
// shards.total shards, of which this rank gets [first, last). The last batch of an epoch may be
// short: nothing is padded, dropped or repeated.
class Loader {
 public:
  using Options = LoaderOptions;

  // UsageError for a batch below 1 or a negative prefetch.
  Loader(const DatasetPointer& dataset, const LoaderOptions& options, core::ShardRange shards = {});
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;
  ~Loader();

  // for (auto& batch : loader.epoch(3)) ...; one epoch at a time. After restore() it must be the
  // cursor's epoch, and begins at the cursor's position.
  Epoch epoch(std::int64_t number);

  std::int64_t samples() const;
  // Batches of a whole epoch.
  std::int64_t batches() const;

  // Behind the batch that was handed out last; after an epoch's last one, the start of the next.
  Cursor cursor() const;
  // Makes the next epoch() go on from `cursor`. UsageError where the dataset has no such place.
  void restore(const Cursor& cursor);

 private:
  friend class Epoch;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// The batches of one epoch, to be read once. Leaving the loop early stops the helper thread.
class Epoch {
 public:
  class Iterator {
   public:
    using value_type = GlobalBatch;
    using difference_type = std::ptrdiff_t;

    // Valid until the next ++; its tensors live as long as a handle on them does.
    GlobalBatch& operator*() const;
    GlobalBatch* operator->() const { return &**this; }
    // Waits for the next batch; throws here what failed while it was prepared.
    Iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, std::default_sentinel_t) { return it.is_done(); }

   private:
    friend class Epoch;
    explicit Iterator(Epoch& epoch) : epoch_(&epoch) {}
    bool is_done() const;
    Epoch* epoch_;
  };

  Epoch(Epoch&&) noexcept;
  Epoch& operator=(Epoch&&) = delete;
  ~Epoch();

  // Waits for the first batch.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }

 private:
  friend class Loader;
  struct Run;
  explicit Epoch(std::shared_ptr<Run> run);
  std::shared_ptr<Run> run_;
};

}  // namespace lockstep::data
