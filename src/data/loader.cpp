#include "lockstep/data/loader.h"

#include <limits>
#include <string>

#include "lockstep/base/error.h"
#include "src/data/epoch_run.h"
#include "src/data/loader_impl.h"

namespace lockstep::data {
namespace {

std::string text_of(const Cursor& cursor) {
  return "epoch " + std::to_string(cursor.epoch) + ", sample " + std::to_string(cursor.position);
}

void check_options(const DatasetPointer& dataset, const LoaderOptions& options) {
  check<UsageError>(dataset != nullptr, [] {
    return Complaint{"loader: no dataset", "give one, e.g. data::fashion_mnist()"};
  });
  check<UsageError>(options.batch >= 1, [&] {
    return Complaint{"loader: a batch of " + std::to_string(options.batch) + " samples",
                     "set .batch, the number of samples of the global batch, to 1 or more"};
  });
  check<UsageError>(options.prefetch >= 0, [&] {
    return Complaint{"loader: prefetch is " + std::to_string(options.prefetch),
                     "set .prefetch to 0 (no helper thread) or more"};
  });
}

}  // namespace

Loader::Loader(const DatasetPointer& dataset, const LoaderOptions& options,
               core::ShardRange shards) {
  check_options(dataset, options);
  impl_ = std::make_shared<Impl>(dataset, options, shards);
}

Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;
Loader::~Loader() = default;

Epoch Loader::epoch(std::int64_t number) {
  check<UsageError>(!impl_->is_reading, [&] {
    return Complaint{"loader: epoch " + std::to_string(number) + " is asked for while epoch " +
                         std::to_string(impl_->cursor.epoch) + " is being read",
                     "leave the loop over the other epoch first, or make a second loader"};
  });
  check<UsageError>(number >= 0 && number <= std::numeric_limits<std::uint32_t>::max(), [&] {
    return Complaint{"loader: epoch " + std::to_string(number), "count epochs from 0"};
  });
  check<UsageError>(!impl_->is_restored || number == impl_->cursor.epoch, [&] {
    return Complaint{"loader: epoch " + std::to_string(number) + " is asked for after restoring " +
                         text_of(impl_->cursor),
                     "begin the loop over epochs at loader.cursor().epoch"};
  });
  if (!impl_->is_restored) impl_->cursor = {number, 0};
  impl_->is_restored = false;
  impl_->sampler.order(number, impl_->order);
  return Epoch(Epoch::Run::begun(impl_));
}

std::int64_t Loader::samples() const { return impl_->sampler.count(); }

std::int64_t Loader::batches() const {
  return (samples() + impl_->options.batch - 1) / impl_->options.batch;
}

Cursor Loader::cursor() const { return impl_->cursor; }

void Loader::restore(const Cursor& cursor) {
  check<UsageError>(!impl_->is_reading, [] {
    return Complaint{"loader: restored while an epoch is being read",
                     "leave the loop over the epoch first"};
  });
  check<UsageError>(cursor.epoch >= 0 && cursor.position >= 0 && cursor.position <= samples(), [&] {
    return Complaint{"loader: there is no " + text_of(cursor) + " in a dataset of " +
                         std::to_string(samples()) + " samples",
                     "restore a cursor that was saved with the same dataset"};
  });
  impl_->cursor = cursor;
  impl_->is_restored = true;
}

}  // namespace lockstep::data
